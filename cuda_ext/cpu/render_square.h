// A square of pixels on the CPU: all its rays march side by side, and the field is evaluated at the samples of all of
// them at once.
#pragma once
#include <algorithm>
#include <cmath>

#include "../math/field_picture.h"
#include "field_color.h"
#include "field_loops.h"

namespace head3d {

struct Ray {
  float t, far, before, stride;
};

// A list of ray indices in whole tiles; the last tile repeats its first ray.
struct RayList {
  std::vector<int32_t> rays;
  int64_t count = 0;
  explicit RayList(int64_t room) : rays(tiles_of(room) * kTile) {}
  int64_t fill() {
    const int64_t tiles = tiles_of(count);
    for (int64_t i = count; i < tiles * kTile; ++i) rays[i] = rays[count - 1];
    return tiles;
  }
};

// Everything a thread needs for one square of pixels.
class Square {
 public:
  // room: rays of the largest square.
  Square(const Field& field, const PictureRule& rule, int64_t room)
      : field_(field),
        rule_(rule),
        sdf_(field),
        color_(field, room * rule.colors),
        rays_(room),
        sums_(room),
        colors_(room),
        waiting_(room),
        list_(room) {
    for (auto& axis : direction_) axis.resize(room);
    const int64_t tiles = tiles_of(room) * std::max(4, int(rule.colors));  // 4: taps of a normal
    points_.resize(tiles);
    owner_.resize(tiles * kTile);
    value_.resize(tiles * kTile);
    phi_.resize(tiles * kTile);
    albedo_.resize(3 * tiles * kTile);
    residual_.resize(3 * tiles * kTile);
  }

  void draw(const Picture& picture, int64_t row, int64_t column, int64_t height, int64_t width) {
    const int64_t times = rule_.times, across = width * times;
    const int64_t count = height * times * across;
    waiting_.count = 0;
    for (int64_t r = 0; r < count; ++r) {
      float d[3];
      pixel_direction(rule_, row * times + r / across, column * times + r % across, d);
      for (int a = 0; a < 3; ++a) direction_[a][r] = d[a];
      Ray& ray = rays_[r];
      box_span(field_.cache, rule_.centre, d, ray.t, ray.far);
      begin(sums_[r]);
      colors_[r] = RayColor{};
      if (ray.t < ray.far) waiting_.rays[waiting_.count++] = int32_t(r);
    }
    if (waiting_.count > 0) {
      approach();
      sample();
      for (int64_t r = 0; r < count; ++r) end(sums_[r], rule_.colors);
      paint(count);
      light(count);
    }
    for (int64_t y = 0; y < height; ++y)
      for (int64_t x = 0; x < width; ++x) {
        PixelSum sum{};
        for (int64_t v = 0; v < times; ++v)
          for (int64_t u = 0; u < times; ++u)
            add_ray(sum, colors_[(y * times + v) * across + x * times + u]);
        write_pixel(picture, (row + y) * rule_.width + column + x, sum, times * times);
      }
  }

 private:
  // Points t metres along rays of the neutral head.
  void place(const int32_t* rays, const float* t, PointTile& out) {
    for (int a = 0; a < 3; ++a) {
      const float* direction = direction_[a].data();
      const float centre = rule_.centre[a];
#pragma omp simd
      for (int i = 0; i < kTile; ++i) out.p[a][i] = centre + direction[rays[i]] * t[i];
    }
    to_neutral(field_.deform, out);
  }

  void place_rays(const RayList& list, int64_t tile, PointTile& out) {
    float t[kTile];
    for (int i = 0; i < kTile; ++i) t[i] = rays_[list.rays[tile * kTile + i]].t;
    place(list.rays.data() + tile * kTile, t, out);
  }

  // Leaps to the shell. Rays that arrive, or have used up their leaps, are left in list_.
  void approach() {
    list_.count = 0;
    for (int leap = 0; leap < kLeaps && waiting_.count > 0; ++leap) {
      const int64_t tiles = waiting_.fill();
      int64_t kept = 0;
      for (int64_t k = 0; k < tiles; ++k) {
        PointTile at;
        float value[kTile];
        place_rays(waiting_, k, at);
        read_volume(field_.cache, 0, at, value);
        const int64_t count = std::min<int64_t>(kTile, waiting_.count - k * kTile);
        for (int64_t i = 0; i < count; ++i) {
          const int32_t r = waiting_.rays[k * kTile + i];
          Ray& ray = rays_[r];
          ray.t += march_approach(rule_.march, value[i]);
          if (!(ray.t < ray.far)) continue;
          if (value[i] > rule_.march.shell)
            waiting_.rays[kept++] = r;
          else
            list_.rays[list_.count++] = r;
        }
      }
      waiting_.count = kept;
    }
    for (int64_t i = 0; i < waiting_.count; ++i) list_.rays[list_.count++] = waiting_.rays[i];
    std::sort(list_.rays.begin(), list_.rays.begin() + list_.count);  // neighbours share entries
    for (int64_t i = 0; i < list_.count; ++i) {
      rays_[list_.rays[i]].before = INFINITY;
      rays_[list_.rays[i]].stride = 1.f;
    }
  }

  // Samples in the shell, until rays leave it, are through, or let no light past.
  void sample() {
    for (int round = 0; round < rule_.samples && list_.count > 0; ++round) {
      const int64_t tiles = list_.fill();
      for (int64_t k = 0; k < tiles; ++k) place_rays(list_, k, points_[k]);
      sdf_.run(points_.data(), tiles, value_.data(), true, phi_.data());
      int64_t kept = 0;
      for (int64_t k = 0; k < tiles; ++k) {
        float cached[kTile];
        read_volume(field_.cache, 0, points_[k], cached);
        const int64_t count = std::min<int64_t>(kTile, list_.count - k * kTile);
        for (int64_t i = 0; i < count; ++i) {
          const int32_t r = list_.rays[k * kTile + i];
          Ray& ray = rays_[r];
          add_sample(sums_[r], ray.t, value_[k * kTile + i], phi_[k * kTile + i], rule_.colors);
          ray.stride = march_stride(rule_.march, cached[i], ray.before, ray.stride);
          ray.before = cached[i];
          ray.t += ray.stride;
          if (cached[i] > -rule_.march.shell && ray.t < ray.far && sums_[r].clear > kClear)
            list_.rays[kept++] = r;
        }
      }
      list_.count = kept;
    }
  }

  // Albedo and residual of the heaviest sections of all rays.
  void paint(int64_t count) {
    int64_t sections = 0;
    for (int64_t r = 0; r < count; ++r) {
      const int own = shown(r);
      for (int k = 0; k < own; ++k) {
        owner_[sections] = int32_t(r);
        value_[sections++] = sums_[r].at[k];
      }
    }
    if (sections == 0) return;
    const int64_t tiles = tiles_of(sections);
    for (int64_t i = sections; i < tiles * kTile; ++i) {
      owner_[i] = owner_[sections - 1];
      value_[i] = value_[sections - 1];
    }
    for (int64_t k = 0; k < tiles; ++k)
      place(owner_.data() + k * kTile, value_.data() + k * kTile, points_[k]);
    color_.run(points_.data(), sections, rule_.mirror, albedo_.data(), residual_.data());
    int64_t i = 0;
    for (int64_t r = 0; r < count; ++r) {
      const int own = shown(r);
      if (own == 0) continue;
      RayColor& color = colors_[r];
      const float total = total_weight(sums_[r], own);
      float t = 0.f;
      for (int k = 0; k < own; ++k, ++i) {
        const float portion = section_portion(sums_[r], k, total);
        for (int c = 0; c < 3; ++c) {
          color.albedo[c] += portion * albedo_[ColorLoops::place(i, c)];
          color.radiance[c] += portion * residual_[ColorLoops::place(i, c)];
        }
        t += portion * sums_[r].at[k];
      }
      color.alpha = sums_[r].alpha;
      const float direction[3] = {direction_[0][r], direction_[1][r], direction_[2][r]};
      color.depth = t * forwardness(rule_, direction);
    }
  }

  // How many sections of a ray get a colour.
  int shown(int64_t r) const { return sums_[r].alpha > kInvisible ? colored(sums_[r]) : 0; }

  // Normal at the heaviest section, and light on it.
  void light(int64_t count) {
    list_.count = 0;
    for (int64_t r = 0; r < count; ++r)
      if (shown(r) > 0) list_.rays[list_.count++] = int32_t(r);
    if (list_.count == 0) return;
    const int64_t tiles = list_.fill();
    for (int64_t k = 0; k < tiles; ++k) {
      float t[kTile];
      PointTile at;
      for (int i = 0; i < kTile; ++i) t[i] = sums_[list_.rays[k * kTile + i]].at[0];
      place(list_.rays.data() + k * kTile, t, at);
      for (int corner = 0; corner < 4; ++corner)
        for (int a = 0; a < 3; ++a) {
          const float step = corner_sign(corner, a) * rule_.normal_step;
          for (int i = 0; i < kTile; ++i) points_[4 * k + corner].p[a][i] = at.p[a][i] + step;
        }
    }
    sdf_.run(points_.data(), 4 * tiles, value_.data());
    for (int64_t j = 0; j < list_.count; ++j) {
      const float* taps = value_.data() + 4 * (j / kTile) * kTile + j % kTile;
      light_ray(rule_, taps, kTile, colors_[list_.rays[j]]);
    }
  }

  const Field field_;
  const PictureRule rule_;
  SdfLoops sdf_;
  ColorLoops color_;
  std::vector<Ray> rays_;
  std::vector<RaySum> sums_;
  std::vector<RayColor> colors_;
  RayList waiting_, list_;
  std::vector<float> direction_[3];
  std::vector<PointTile> points_;
  std::vector<int32_t> owner_;
  std::vector<float> value_, phi_, albedo_, residual_;
};

}  // namespace head3d
