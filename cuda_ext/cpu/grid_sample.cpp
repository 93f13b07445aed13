// Trilinear lookup in a dense grid (X Y Z C), nodes on the corners of the unit cube.
#include "../math/grid_sample.h"

#include <algorithm>

#include "../abi.h"

namespace {

using namespace head3d;

template <typename T>
HEAD3D_HD Place<T> place(GridShape shape, const T* unit) {
  return grid_place<T>(shape, {unit[0] * T(shape.n[0] - 1), unit[1] * T(shape.n[1] - 1),
                               unit[2] * T(shape.n[2] - 1)});
}

template <typename T>
int forward(const T* grid, GridShape shape, int64_t C, const T* points, int64_t P, T* out,
            int64_t threads) {
#pragma omp parallel for schedule(static) num_threads(threads)
  for (int64_t p = 0; p < P; ++p) {
    const Place<T> at = place(shape, points + 3 * p);
    if (C == 1) {
      out[p] = grid_value(grid, at);
      continue;
    }
    T* value = out + p * C;
    std::fill(value, value + C, T(0));
    for (int c = 0; c < 8; ++c) {
      const T weight = corner_weight(c, at.w[0], at.w[1], at.w[2]);
      const T* node = grid + at.node[c] * C;
      for (int64_t i = 0; i < C; ++i) value[i] += weight * node[i];
    }
  }
  return 0;
}

template <typename T>
int backward(const T* grid, GridShape shape, int64_t C, const T* points, int64_t P, const T* g_out,
             T* g_grid, T* g_points, int64_t threads) {
  if (g_grid) {
    // each thread owns slabs of x and walks all points: no two threads meet, and the sum has one order
    const int64_t slab = shape.n[1] * shape.n[2];
#pragma omp parallel for schedule(static, 1) num_threads(threads)
    for (int64_t s = 0; s < threads; ++s) {
      const int64_t first = shape.n[0] * s / threads * slab;
      const int64_t last = shape.n[0] * (s + 1) / threads * slab;
      for (int64_t p = 0; p < P; ++p) {
        const Place<T> at = place(shape, points + 3 * p);
        for (int c = 0; c < 8; ++c) {
          if (at.node[c] < first || at.node[c] >= last) continue;
          const T weight = corner_weight(c, at.w[0], at.w[1], at.w[2]);
          for (int64_t i = 0; i < C; ++i) g_grid[at.node[c] * C + i] += weight * g_out[p * C + i];
        }
      }
    }
  }
  if (g_points) {
#pragma omp parallel for schedule(static) num_threads(threads)
    for (int64_t p = 0; p < P; ++p) {
      const Place<T> at = place(shape, points + 3 * p);
      T value[8], slope[3];
      for (int c = 0; c < 8; ++c) {
        value[c] = 0;
        for (int64_t i = 0; i < C; ++i) value[c] += grid[at.node[c] * C + i] * g_out[p * C + i];
      }
      corner_weights_vjp(value, at.w[0], at.w[1], at.w[2], slope);
      for (int a = 0; a < 3; ++a)
        g_points[3 * p + a] = at.inside[a] ? slope[a] * T(shape.n[a] - 1) : T(0);
    }
  }
  return 0;
}

}  // namespace

#define HEAD3D_GRID_SAMPLE(suffix, T)                                                            \
  int head3d_grid_sample3_fwd_##suffix(const T* grid, int64_t X, int64_t Y, int64_t Z, int64_t C, \
                                       const T* points, int64_t P, T* out, int64_t threads) {    \
    return forward(grid, {{X, Y, Z}}, C, points, P, out, threads);                               \
  }                                                                                              \
  int head3d_grid_sample3_bwd_##suffix(const T* grid, int64_t X, int64_t Y, int64_t Z, int64_t C, \
                                       const T* points, int64_t P, const T* g_out, T* g_grid,    \
                                       T* g_points, int64_t threads) {                           \
    return backward(grid, {{X, Y, Z}}, C, points, P, g_out, g_grid, g_points, threads);          \
  }
HEAD3D_GRID_SAMPLE(f32, float)
HEAD3D_GRID_SAMPLE(f64, double)
