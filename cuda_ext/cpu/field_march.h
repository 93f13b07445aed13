// Many rays marching side by side through a field's cached distance. Pictures and the samples of training come from
// the same compiled functions, so that a ray takes the same steps in both, to the bit.
#pragma once
#include <algorithm>
#include <cmath>

#include "field_loops.h"

namespace head3d {

// A list of ray indices in whole tiles; the last tile repeats its last ray.
struct RayList {
  std::vector<int32_t> rays;
  int64_t count = 0;
  explicit RayList(int64_t room) : rays(tiles_of(room) * kTile) {}
  void add(int64_t r) { rays[count++] = int32_t(r); }
  int64_t fill() {
    const int64_t tiles = tiles_of(count);
    for (int64_t i = count; i < tiles * kTile; ++i) rays[i] = rays[count - 1];
    return tiles;
  }
};

class MarchLoops {
 public:
  HEAD3D_ONCE MarchLoops(const Field& field, MarchRule rule, int64_t room)
      : cache_(field.cache),
        deform_(field.deform),
        rule_(rule),
        rays_(room),
        waiting_(room),
        going_(room) {
    for (auto* axes : {&origin_, &direction_})
      for (auto& axis : *axes) axis.resize(room);
  }

  void restart() { waiting_.count = going_.count = 0; }

  // Adds a ray; r counts up from 0.
  void add(int64_t r, const float o[3], const float d[3]) {
    for (int a = 0; a < 3; ++a) {
      origin_[a][r] = o[a];
      direction_[a][r] = d[a];
    }
    Ray& ray = rays_[r];
    box_span(cache_, o, d, ray.t, ray.far);
    ray.before = kUnknown;
    ray.stride = 1.f;
    if (ray.t < ray.far) waiting_.add(r);
  }

  // Leaps of all rays to the shell.
  HEAD3D_ONCE void approach() {
    for (int leap = 0; leap < kLeaps && waiting_.count > 0; ++leap) {
      const int64_t tiles = waiting_.fill();
      int64_t kept = 0;
      for (int64_t k = 0; k < tiles; ++k) {
        PointTile at;
        float value[kTile];
        place_rays(waiting_, k, at);
        cached(at, value);
        const int64_t count = std::min<int64_t>(kTile, waiting_.count - k * kTile);
        for (int64_t i = 0; i < count; ++i) {
          const int32_t r = waiting_.rays[k * kTile + i];
          Ray& ray = rays_[r];
          ray.t += march_approach(rule_, value[i]);
          if (!(ray.t < ray.far)) continue;
          if (value[i] > rule_.shell)
            waiting_.rays[kept++] = r;
          else
            going_.add(r);
        }
      }
      waiting_.count = kept;
    }
    for (int64_t i = 0; i < waiting_.count; ++i) going_.add(waiting_.rays[i]);
    std::sort(going_.rays.begin(), going_.rays.begin() + going_.count);  // neighbours share entries
  }

  // Moves the samples of a ray back; they may begin behind the box.
  void shift(int64_t r, float by) { rays_[r].t += by; }

  // Places of the next samples of all rays still going; returns their tiles.
  int64_t next(PointTile* points) {
    const int64_t tiles = going_.fill();
    for (int64_t k = 0; k < tiles; ++k) place_rays(going_, k, points[k]);
    return tiles;
  }

  // Takes those samples: take(number, ray, t) tells whether the ray goes on.
  template <typename Take>
  void step(const PointTile* points, const Take& take) {
    int64_t kept = 0;
    for (int64_t k = 0; k < tiles_of(going_.count); ++k) {
      float value[kTile];
      cached(points[k], value);
      const int64_t count = std::min<int64_t>(kTile, going_.count - k * kTile);
      for (int64_t i = 0; i < count; ++i) {
        const int32_t r = going_.rays[k * kTile + i];
        Ray& ray = rays_[r];
        const bool on = take(k * kTile + i, int64_t(r), ray.t);
        ray.stride = march_stride(rule_, value[i], ray.before, ray.stride);
        ray.before = value[i];
        ray.t += ray.stride;
        if (on && value[i] > -rule_.shell && ray.t < ray.far) going_.rays[kept++] = r;
      }
    }
    going_.count = kept;
  }

  // Points t metres along rays, of the neutral head.
  HEAD3D_ONCE void place(const int32_t* rays, const float* t, PointTile& out) const {
    for (int a = 0; a < 3; ++a) {
      const float *origin = origin_[a].data(), *direction = direction_[a].data();
#pragma omp simd
      for (int i = 0; i < kTile; ++i) out.p[a][i] = origin[rays[i]] + direction[rays[i]] * t[i];
    }
    to_neutral(deform_, out);
  }

 private:
  struct Ray {
    float t, far, before, stride;
  };

  void cached(const PointTile& points, float* value) const {
    read_volume(cache_, 0, points, value);
  }

  void place_rays(const RayList& list, int64_t tile, PointTile& out) const {
    float t[kTile];
    for (int i = 0; i < kTile; ++i) t[i] = rays_[list.rays[tile * kTile + i]].t;
    place(list.rays.data() + tile * kTile, t, out);
  }

  const FieldVolume cache_, deform_;
  const MarchRule rule_;
  std::vector<Ray> rays_;
  RayList waiting_, going_;
  std::vector<float> origin_[3], direction_[3];
};

}  // namespace head3d
