// A picture of a field: rays of its pixels, and what the rays of a pixel add up to.
#pragma once
#include "field.h"

namespace head3d {

struct PictureRule {
  float axes[9], centre[3];  // camera to head frame: columns are the camera's axes; m
  float focal[2], middle[2];  // px of the picture with `times` rays per pixel and side
  float light[27];            // 9 3: harmonics, linear RGB
  int64_t height, width, times;
  int32_t samples, colors;
  float normal_step;  // m
  bool mirror;        // unseen places take the colour of the other half of the head
  MarchRule march;
};

struct Picture {
  float *rgb, *albedo, *normal;  // H W 3
  float *alpha, *depth;          // H W
};

// camera: c2w (3 4), focal lengths, principal point; of the picture with `times` rays per pixel and side.
inline PictureRule picture_rule(const double* camera, const double* light) {
  PictureRule rule{};
  for (int row = 0; row < 3; ++row) {
    for (int a = 0; a < 3; ++a) rule.axes[3 * row + a] = float(camera[4 * row + a]);
    rule.centre[row] = float(camera[4 * row + 3]);
  }
  for (int a = 0; a < 2; ++a) {
    rule.focal[a] = float(camera[12 + a]);
    rule.middle[a] = float(camera[14 + a]);
  }
  for (int k = 0; k < 27; ++k) rule.light[k] = float(light[k]);
  return rule;
}

// Unit direction, head frame, of the ray through the middle of a (fine) pixel.
HEAD3D_HD void pixel_direction(const PictureRule& rule, int64_t row, int64_t column, float d[3]) {
  const float x = (float(column) + 0.5f - rule.middle[0]) / rule.focal[0];
  const float y = (float(row) + 0.5f - rule.middle[1]) / rule.focal[1];
  for (int a = 0; a < 3; ++a) d[a] = x * rule.axes[3 * a] + y * rule.axes[3 * a + 1] + rule.axes[3 * a + 2];
  normalized(d);
}

// What one ray shows; radiance is that of the surface, not times alpha.
struct RayColor {
  float radiance[3], albedo[3], normal[3], alpha, depth;
};

HEAD3D_HD float forwardness(const PictureRule& rule, const float d[3]) {
  return d[0] * rule.axes[2] + d[1] * rule.axes[5] + d[2] * rule.axes[8];
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
    for (int corner = 0; corner < 4; ++corner) slope += corner_sign(corner, a) * taps[corner * stride];
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
