// A square of pixels on the CPU: all its rays march side by side, and the field is evaluated at the samples of all of
// them at once.
#pragma once
#include "../math/field_picture.h"
#include "field_color.h"
#include "field_march.h"

namespace head3d {

// Everything a thread needs for one square of pixels.
class Square {
 public:
  // room: rays of the largest square.
  HEAD3D_ONCE Square(const Field& field, const PictureRule& rule, int64_t room)
      : rule_(rule),
        march_(field, rule.march, room),
        sdf_(field),
        color_(field, room * rule.colors),
        sums_(room),
        colors_(room),
        list_(room) {
    const int64_t tiles = tiles_of(room) * std::max(4, int(rule.colors));  // 4: taps of a normal
    points_.resize(tiles);
    owner_.resize(tiles * kTile);
    value_.resize(tiles * kTile);
    phi_.resize(tiles * kTile);
    albedo_.resize(3 * tiles * kTile);
    residual_.resize(3 * tiles * kTile);
  }

  HEAD3D_ONCE void draw(const Picture& picture, int64_t row, int64_t column, int64_t height,
                        int64_t width) {
    const int64_t times = rule_.times, across = width * times;
    const int64_t count = height * times * across;
    const auto direction = [&](int64_t r) {
      return rule_.direction(row * times + r / across, column * times + r % across);
    };
    march_.restart();
    for (int64_t r = 0; r < count; ++r) {
      march_.add(r, rule_.centre, direction(r));
      begin(sums_[r]);
      colors_[r] = RayColor{};
    }
    march_.approach();
    sample();
    for (int64_t r = 0; r < count; ++r) end(sums_[r], rule_.colors);
    paint(count);
    light(count);
    for (int64_t r = 0; r < count; ++r) colors_[r].depth *= forwardness(rule_, direction(r));
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
  // Samples in the shell, until rays leave it, are through, or let no light past.
  HEAD3D_ONCE void sample() {
    for (int round = 0; round < rule_.samples; ++round) {
      const int64_t tiles = march_.next(points_.data());
      if (tiles == 0) return;
      sdf_.run(points_.data(), tiles, value_.data(), true, phi_.data());
      march_.step(points_.data(), [&](int64_t i, int64_t r, float t) {
        add_sample(sums_[r], t, value_[i], phi_[i], rule_.colors);
        return sums_[r].clear > kClear;
      });
    }
  }

  // Albedo and residual of the heaviest sections of all rays.
  HEAD3D_ONCE void paint(int64_t count) {
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
      march_.place(owner_.data() + k * kTile, value_.data() + k * kTile, points_[k]);
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
      color.depth = t;
    }
  }

  // How many sections of a ray get a colour.
  int shown(int64_t r) const { return sums_[r].alpha > kInvisible ? colored(sums_[r]) : 0; }

  // Normal at the heaviest section, and light on it.
  HEAD3D_ONCE void light(int64_t count) {
    list_.count = 0;
    for (int64_t r = 0; r < count; ++r)
      if (shown(r) > 0) list_.rays[list_.count++] = int32_t(r);
    if (list_.count == 0) return;
    const int64_t tiles = list_.fill();
    for (int64_t k = 0; k < tiles; ++k) {
      float t[kTile];
      PointTile at;
      for (int i = 0; i < kTile; ++i) t[i] = sums_[list_.rays[k * kTile + i]].at[0];
      march_.place(list_.rays.data() + k * kTile, t, at);
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

  const PictureRule rule_;
  MarchLoops march_;
  SdfLoops sdf_;
  ColorLoops color_;
  std::vector<RaySum> sums_;
  std::vector<RayColor> colors_;
  RayList list_;
  std::vector<PointTile> points_;
  std::vector<int32_t> owner_;
  std::vector<float> value_, phi_, albedo_, residual_;
};

}  // namespace head3d
