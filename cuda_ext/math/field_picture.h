// A picture of a field: rays of its pixels, and what the rays of a pixel add up to.
#pragma once
#include "field.h"

namespace head3d {

struct PictureRule {
  const float* directions;  // (H times) (W times) 3: unit, head frame
  float centre[3];          // of the camera, m
  float forward[3];         // its axis
  float light[27];          // 9 3: harmonics, linear RGB
  int64_t height, width, times;  // px, and rays per pixel and side
  int32_t samples, colors;
  float normal_step;  // m
  bool mirror;        // unseen places take the colour of the other half of the head
  MarchRule march;
  HEAD3D_HD const float* direction(int64_t row, int64_t column) const {
    return directions + 3 * (row * width * times + column);
  }
};

struct Picture {
  float *rgb, *albedo, *normal;  // H W 3
  float *alpha, *depth;          // H W
};

// camera: its centre, its axis.
inline PictureRule picture_rule(const Field& field, const double* camera, const double* light,
                                const float* directions, int64_t H, int64_t W, int64_t times,
                                int64_t samples, int64_t colors, double normal_step,
                                int64_t mirror) {
  PictureRule rule{};
  rule.directions = directions;
  for (int a = 0; a < 3; ++a) {
    rule.centre[a] = float(camera[a]);
    rule.forward[a] = float(camera[3 + a]);
  }
  for (int k = 0; k < 27; ++k) rule.light[k] = float(light[k]);
  rule.height = H;
  rule.width = W;
  rule.times = times;
  rule.samples = int32_t(samples);
  rule.colors = int32_t(colors);
  rule.normal_step = float(normal_step);
  rule.mirror = mirror != 0;
  rule.march = march_rule(field.sd);
  return rule;
}

// What one ray shows; radiance is that of the surface, not times alpha.
struct RayColor {
  float radiance[3], albedo[3], normal[3], alpha, depth;
};

HEAD3D_HD float forwardness(const PictureRule& rule, const float d[3]) {
  return d[0] * rule.forward[0] + d[1] * rule.forward[1] + d[2] * rule.forward[2];
}

// Portions of a ray's coloured sections; 1e-6 keeps a ray of no weight defined.
HEAD3D_HD float total_weight(const RaySum& sum, int sections) {
  float total = 0.f;
  for (int k = 0; k < sections; ++k) total += sum.weight[k] + 1e-6f;
  return total;
}
HEAD3D_HD float section_portion(const RaySum& sum, int k, float total) {
  return (sum.weight[k] + 1e-6f) / total;
}

// Normal from the signed distances at the corners about the surface, and light on the albedo.
HEAD3D_HD void light_ray(const PictureRule& rule, const float* taps, int64_t stride,
                         RayColor& color) {
  for (int a = 0; a < 3; ++a) {
    float slope = 0.f;
    for (int corner = 0; corner < 4; ++corner)
      slope += corner_sign(corner, a) * taps[corner * stride];
    color.normal[a] = slope / (4.f * rule.normal_step);
  }
  normalized(color.normal);
  float white[3];
  shade_white(color.normal, rule.light, white);
  for (int c = 0; c < 3; ++c) color.radiance[c] += color.albedo[c] * white[c];
}

// The heavier a ray of a pixel, the more it tells of it.
struct PixelSum {
  float weight, alpha, depth, radiance[3], albedo[3], normal[3];
};

HEAD3D_HD void add_ray(PixelSum& sum, const RayColor& ray) {
  const float weight = ray.alpha + 1e-9f;
  sum.weight += weight;
  sum.alpha += ray.alpha;
  sum.depth += weight * ray.depth;
  for (int a = 0; a < 3; ++a) {
    sum.radiance[a] += weight * ray.radiance[a];
    sum.albedo[a] += weight * ray.albedo[a];
    sum.normal[a] += weight * ray.normal[a];
  }
}

HEAD3D_HD void write_pixel(const Picture& picture, int64_t pixel, const PixelSum& sum,
                           int64_t rays) {
  const float alpha = sum.alpha / float(rays), inverse = 1.f / sum.weight;
  const bool visible = alpha > 1e-3f;
  float normal[3] = {sum.normal[0] * inverse, sum.normal[1] * inverse, sum.normal[2] * inverse};
  normalized(normal);
  for (int a = 0; a < 3; ++a) {
    picture.rgb[3 * pixel + a] = visible ? most(sum.radiance[a] * inverse, 0.f) : 0.f;
    picture.albedo[3 * pixel + a] = visible ? most(sum.albedo[a] * inverse, 0.f) : 0.f;
    picture.normal[3 * pixel + a] = visible ? normal[a] : 0.f;
  }
  picture.alpha[pixel] = alpha;
  picture.depth[pixel] = alpha > 0.5f ? sum.depth * inverse : 0.f;
}

}  // namespace head3d
