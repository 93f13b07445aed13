// A ray through a coarse grid of signed distances: samples a fixed step apart inside the shell |sdf| < half width.
#pragma once
#include <cmath>

#include "grid_sample.h"

namespace head3d {

struct MarchSettings {
  GridShape shape;
  float low[3], inverse_cell;  // of the grid
  float step, half_width;      // m
  int64_t most;                // samples per ray
};

constexpr float kLeap = 0.8f;  // of the promised distance: an interpolated grid is not quite a distance

HEAD3D_HD float march_value(const MarchSettings& s, const float* grid, const float o[3],
                            const float d[3], float t) {
  const Vec3<float> at{(o[0] + t * d[0] - s.low[0]) * s.inverse_cell,
                       (o[1] + t * d[1] - s.low[1]) * s.inverse_cell,
                       (o[2] + t * d[2] - s.low[2]) * s.inverse_cell};
  return grid_value(grid, grid_place(s.shape, at));
}

// Where the ray is inside the grid's box, within [near, far].
HEAD3D_HD void march_span(const MarchSettings& s, const float o[3], const float d[3], float& near,
                          float& far) {
  for (int a = 0; a < 3; ++a) {
    // 1e-9: a ray along a side of the box; its quotients are huge, not NaN
    const float slope = fabsf(d[a]) < 1e-9f ? 1e-9f : d[a];
    const float first = (s.low[a] - o[a]) / slope;
    const float last = (s.low[a] + float(s.shape.n[a] - 1) / s.inverse_cell - o[a]) / slope;
    near = most(near, least(first, last));
    far = least(far, most(first, last));
  }
}

// Calls emit(t) for each sample and returns their number. Stops where the ray is deeper inside than the shell.
template <typename Emit>
HEAD3D_HD int64_t march_ray(const MarchSettings& s, const float* grid, const float o[3],
                            const float d[3], float near, float far, float jitter, Emit emit) {
  march_span(s, o, d, near, far);
  int64_t count = 0;
  float t = near;
  bool entered = false;
  while (t < far && count < s.most) {
    const float value = march_value(s, grid, o, d, t);
    if (value >= s.half_width) {
      t += most(kLeap * (value - s.half_width), s.step);
      entered = false;
    } else if (value > -s.half_width) {
      // the first sample in the shell is jittered; those after it keep their distance
      if (!entered) {
        entered = true;
        t += jitter * s.step;
        if (!(t < far)) break;
      }
      emit(t);
      ++count;
      t += s.step;
    } else {
      break;
    }
  }
  return count;
}

}  // namespace head3d
