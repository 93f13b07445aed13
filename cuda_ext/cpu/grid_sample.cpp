// Trilinear lookup in a dense grid (D D D C), nodes on the corners of the unit cube.
#include <algorithm>

#include "../abi.h"
#include "../math/hash_grid.h"

namespace {

using namespace head3d;

template <typename T>
struct Place {
  int64_t node[8];
  T w[3];
  bool inside[3];
};

template <typename T>
HEAD3D_HD Place<T> place(const T* point, int64_t D) {
  Place<T> at;
  int64_t cell[3];
  for (int a = 0; a < 3; ++a) {
    const T position = clamp(point[a], T(0), T(1)) * T(D - 1);
    cell[a] = std::min(int64_t(position), D - 2);  // the last node belongs to the last cell
    at.w[a] = position - T(cell[a]);
    at.inside[a] = (point[a] >= T(0)) & (point[a] <= T(1));
  }
  for (int c = 0; c < 8; ++c)
    at.node[c] = ((cell[0] + (c & 1)) * D + cell[1] + (c >> 1 & 1)) * D + cell[2] + (c >> 2);
  return at;
}

template <typename T>
int forward(const T* grid, int64_t D, int64_t C, const T* points, int64_t P, T* out,
            int64_t threads) {
#pragma omp parallel for schedule(static) num_threads(threads)
  for (int64_t p = 0; p < P; ++p) {
    const Place<T> at = place(points + 3 * p, D);
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
int backward(const T* grid, int64_t D, int64_t C, const T* points, int64_t P, const T* g_out,
             T* g_grid, T* g_points, int64_t threads) {
  if (g_grid) {
    // each thread owns slabs of x and walks all points: no two threads meet, and the sum has one order
#pragma omp parallel for schedule(static, 1) num_threads(threads)
    for (int64_t s = 0; s < threads; ++s) {
      const int64_t first = D * s / threads * D * D, last = D * (s + 1) / threads * D * D;
      for (int64_t p = 0; p < P; ++p) {
        const Place<T> at = place(points + 3 * p, D);
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
      const Place<T> at = place(points + 3 * p, D);
      T value[8], slope[3];
      for (int c = 0; c < 8; ++c) {
        value[c] = 0;
        for (int64_t i = 0; i < C; ++i) value[c] += grid[at.node[c] * C + i] * g_out[p * C + i];
      }
      corner_weights_vjp(value, at.w[0], at.w[1], at.w[2], slope);
      for (int a = 0; a < 3; ++a)
        g_points[3 * p + a] = at.inside[a] ? slope[a] * T(D - 1) : T(0);
    }
  }
  return 0;
}

}  // namespace

#define HEAD3D_GRID_SAMPLE(suffix, T)                                                           \
  int head3d_grid_sample3_fwd_##suffix(const T* grid, int64_t D, int64_t C, const T* points,    \
                                       int64_t P, T* out, int64_t threads) {                    \
    return forward(grid, D, C, points, P, out, threads);                                        \
  }                                                                                             \
  int head3d_grid_sample3_bwd_##suffix(const T* grid, int64_t D, int64_t C, const T* points,    \
                                       int64_t P, const T* g_out, T* g_grid, T* g_points,       \
                                       int64_t threads) {                                       \
    return backward(grid, D, C, points, P, g_out, g_grid, g_points, threads);                   \
  }
HEAD3D_GRID_SAMPLE(f32, float)
HEAD3D_GRID_SAMPLE(f64, double)
