// One ray of a picture from march to light, by one thread.
#pragma once
#include "field_picture.h"

namespace head3d {

HEAD3D_HD float volume_value(const FieldVolume& volume, int channel, const float p[3]) {
  float w[3];
  int32_t cell[3];
  for (int a = 0; a < 3; ++a)
    cell[a] = grid_axis(int64_t(volume.n[a]), (p[a] - volume.origin[a]) * volume.inverse_cell,
                        w[a]);
  const int32_t at = cell[2] * volume.slab() + cell[1] * volume.row() + cell[0];
  return cell_value(volume.channel(channel), volume.row(), volume.slab(), at, w[0], w[1], w[2]);
}

// Undoes an expression: the volume ends in zeros, and what lies outside stays.
HEAD3D_HD void to_neutral(const FieldVolume& deform, float p[3]) {
  if (!deform.values) return;
  for (int a = 0; a < 3; ++a) {
    const float node = (p[a] - deform.origin[a]) * deform.inverse_cell;
    if (!(node >= 0.f && node <= float(deform.n[a] - 1))) return;
  }
  const float moved[3] = {volume_value(deform, 0, p), volume_value(deform, 1, p),
                          volume_value(deform, 2, p)};
  for (int a = 0; a < 3; ++a) p[a] += moved[a];
}

// Outputs (kOut) of a network at a point.
template <int kOut>
HEAD3D_HD void net_value(const FieldNet& net, const float p[3], float box_scale, float out[kOut]) {
  float features[kMostFeatures], unit[3];
  const int F = net.features, width = net.width();
  for (int a = 0; a < 3; ++a) unit[a] = clamp(p[a] * box_scale + 0.5f, 0.f, 1.f);
  for (int l = 0; l < net.levels; ++l) {
    uint32_t cell[3];
    float w[3];
    for (int a = 0; a < 3; ++a) {
      float t;
      cell[a] = grid_cell(unit[a], net.scale[l], t);
      w[a] = grid_weight(t, net.smooth);
    }
    for (int f = 0; f < F; ++f) features[l * F + f] = 0.f;
    for (int c = 0; c < 8; ++c) {
      const uint32_t entry = grid_entry(net.level[l], cell[0] + (c & 1), cell[1] + (c >> 1 & 1),
                                        cell[2] + (c >> 2));
      const float weight = corner_weight(c, w[0], w[1], w[2]);
      const float* values = net.table + (net.offset[l] + int64_t(entry)) * F;
      for (int f = 0; f < F; ++f) features[l * F + f] += weight * values[f];
    }
  }
  for (int o = 0; o < kOut; ++o) out[o] = 0.f;
  for (int h = 0; h < net.hidden; ++h) {
    float sum = net.bias_in[h];
    for (int i = 0; i < width; ++i) sum += net.weight_in[h * width + i] * features[i];
    sum = most(sum, 0.f);
    for (int o = 0; o < kOut; ++o) out[o] += net.weight_out[o * net.hidden + h] * sum;
  }
}

HEAD3D_HD float residual_at(const Field& field, const float p[3]) {
  float raw;
  net_value<1>(field.geometry, p, field.box_scale, &raw);
  return bounded_residual(raw, field.unit, volume_value(field.traits, 0, p));
}

HEAD3D_HD float sdf_at(const Field& field, const float p[3]) {
  return volume_value(field.shape, 0, p) + residual_at(field, p);
}

// Returns how far a photo looked there.
HEAD3D_HD float color_at(const Field& field, const float p[3], float albedo[3], float residual[3]) {
  float raw[6];
  net_value<6>(field.color, p, field.box_scale, raw);
  const float seen = volume_value(field.paint, 3, p);
  for (int c = 0; c < 3; ++c) {
    albedo[c] = logistic(volume_value(field.paint, c, p) + raw[c] * seen);
    residual[c] = field.residual * quick_tanh(raw[3 + c] * seen);
  }
  return seen;
}

// Blends in the albedo of the mirrored place where only that one was seen.
HEAD3D_HD void fill_unseen(const Field& field, const float p[3], float seen, float albedo[3]) {
  if (!(1.f - seen > kFill)) return;
  const float mirrored[3] = {-p[0], p[1], p[2]};
  const float share = (1.f - seen) * volume_value(field.paint, 3, mirrored);
  if (!(share > kFill)) return;
  float other[3], unused[3];
  color_at(field, mirrored, other, unused);
  for (int c = 0; c < 3; ++c) albedo[c] = albedo[c] * (1.f - share) + other[c] * share;
}

struct RayPlace {
  float p[3];
};

// The point t metres along a ray, of the neutral head.
HEAD3D_HD RayPlace place_on_ray(const Field& field, const float o[3], const float d[3], float t) {
  RayPlace at;
  for (int a = 0; a < 3; ++a) at.p[a] = o[a] + d[a] * t;
  to_neutral(field.deform, at.p);
  return at;
}

// Calls take(t, place) for the samples of a ray, in order, while it returns true.
template <typename Take>
HEAD3D_HD void walk_ray(const Field& field, MarchRule rule, const float o[3], const float d[3],
                        float jitter, int samples, const Take& take) {
  float t, far;
  box_span(field.cache, o, d, t, far);
  for (int leap = 0; leap < kLeaps && t < far; ++leap) {
    const float value = volume_value(field.cache, 0, place_on_ray(field, o, d, t).p);
    t += march_approach(rule, value);
    if (!(value > rule.shell)) break;
  }
  if (!(t < far)) return;
  t += jitter * rule.step;
  float before = INFINITY, stride = 1.f;
  for (int k = 0; k < samples; ++k) {
    const RayPlace at = place_on_ray(field, o, d, t);
    if (!take(t, at)) return;
    const float value = volume_value(field.cache, 0, at.p);
    stride = march_stride(rule, value, before, stride);
    before = value;
    t += stride;
    if (!(value > -rule.shell && t < far)) return;
  }
}

HEAD3D_HD RaySum march_ray(const Field& field, const PictureRule& rule, const float d[3]) {
  RaySum sum;
  begin(sum);
  walk_ray(field, rule.march, rule.centre, d, 0.f, rule.samples,
           [&](float t, const RayPlace& at) {
             const float sdf = sdf_at(field, at.p), soft = volume_value(field.traits, 1, at.p);
             add_sample(sum, t, sdf, logistic(sdf / (field.sd * soft)), rule.colors);
             return sum.clear > kClear;
           });
  end(sum, rule.colors);
  return sum;
}

HEAD3D_HD RayColor ray_color(const Field& field, const PictureRule& rule, const float d[3]) {
  RayColor color{};
  const RaySum sum = march_ray(field, rule, d);
  const int sections = sum.alpha > kInvisible ? colored(sum) : 0;
  if (sections == 0) return color;
  const float total = total_weight(sum, sections);
  float t = 0.f;
  for (int k = 0; k < sections; ++k) {
    const RayPlace at = place_on_ray(field, rule.centre, d, sum.at[k]);
    float albedo[3], residual[3];
    const float seen = color_at(field, at.p, albedo, residual);
    if (rule.mirror) fill_unseen(field, at.p, seen, albedo);
    const float portion = section_portion(sum, k, total);
    for (int c = 0; c < 3; ++c) {
      color.albedo[c] += portion * albedo[c];
      color.radiance[c] += portion * residual[c];
    }
    t += portion * sum.at[k];
  }
  color.alpha = sum.alpha;
  color.depth = t * forwardness(rule, d);
  const RayPlace surface = place_on_ray(field, rule.centre, d, sum.at[0]);
  float taps[4];
  for (int corner = 0; corner < 4; ++corner) {
    float p[3];
    for (int a = 0; a < 3; ++a) p[a] = surface.p[a] + corner_sign(corner, a) * rule.normal_step;
    taps[corner] = sdf_at(field, p);
  }
  light_ray(rule, taps, 1, color);
  return color;
}

// All rays of a pixel.
HEAD3D_HD void draw_pixel(const Field& field, const PictureRule& rule, const Picture& picture,
                          int64_t pixel) {
  const int64_t row = pixel / rule.width * rule.times, column = pixel % rule.width * rule.times;
  PixelSum sum{};
  for (int64_t v = 0; v < rule.times; ++v)
    for (int64_t u = 0; u < rule.times; ++u)
      add_ray(sum, ray_color(field, rule, rule.direction(row + v, column + u)));
  write_pixel(picture, pixel, sum, rule.times * rule.times);
}

}  // namespace head3d
