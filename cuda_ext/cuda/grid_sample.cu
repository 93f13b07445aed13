// Trilinear lookup in a dense grid: a thread per point.
#include "../math/grid_sample.h"
#include "launch.h"

namespace head3d::grid_sample {

template <typename T>
__global__ void forward(const T* grid, GridShape shape, int64_t C, const T* points, int64_t P,
                        T* out);
template <typename T>
__global__ void backward(const T* grid, GridShape shape, int64_t C, const T* points, int64_t P,
                         const T* g_out, T* g_grid, T* g_points);

#if HEAD3D_DEVICE

template <typename T>
__device__ Place<T> place(GridShape shape, const T* unit) {
  return grid_place<T>(shape, {unit[0] * T(shape.n[0] - 1), unit[1] * T(shape.n[1] - 1),
                               unit[2] * T(shape.n[2] - 1)});
}

template <typename T>
__global__ void forward(const T* grid, GridShape shape, int64_t C, const T* points, int64_t P,
                        T* out) {
  const int64_t p = item();
  if (p >= P) return;
  const Place<T> at = place(shape, points + 3 * p);
  for (int64_t i = 0; i < C; ++i) {
    T value = 0;
    for (int c = 0; c < 8; ++c)
      value += corner_weight(c, at.w[0], at.w[1], at.w[2]) * grid[at.node[c] * C + i];
    out[p * C + i] = value;
  }
}

template <typename T>
__global__ void backward(const T* grid, GridShape shape, int64_t C, const T* points, int64_t P,
                         const T* g_out, T* g_grid, T* g_points) {
  const int64_t p = item();
  if (p >= P) return;
  const Place<T> at = place(shape, points + 3 * p);
  T value[8], slope[3];
  for (int c = 0; c < 8; ++c) {
    const T weight = corner_weight(c, at.w[0], at.w[1], at.w[2]);
    value[c] = 0;
    for (int64_t i = 0; i < C; ++i) {
      const T g = g_out[p * C + i];
      if (g_grid) atomicAdd(g_grid + at.node[c] * C + i, weight * g);
      if (g_points) value[c] += grid[at.node[c] * C + i] * g;
    }
  }
  if (!g_points) return;
  corner_weights_vjp(value, at.w[0], at.w[1], at.w[2], slope);
  for (int a = 0; a < 3; ++a)
    g_points[3 * p + a] = at.inside[a] ? slope[a] * T(shape.n[a] - 1) : T(0);
}

#endif  // HEAD3D_DEVICE

}  // namespace head3d::grid_sample

#if HEAD3D_HOST

using namespace head3d;
using namespace head3d::grid_sample;

#define HEAD3D_GRID_SAMPLE(suffix, T)                                                            \
  int head3d_grid_sample3_fwd_##suffix(const T* grid, int64_t X, int64_t Y, int64_t Z, int64_t C, \
                                       const T* points, int64_t P, T* out, int64_t stream) {     \
    const GridShape shape{{X, Y, Z}};                                                            \
    HEAD3D_LAUNCH(forward<T>, P, 1, stream, grid, shape, C, points, P, out);                     \
    return 0;                                                                                    \
  }                                                                                              \
  int head3d_grid_sample3_bwd_##suffix(const T* grid, int64_t X, int64_t Y, int64_t Z, int64_t C, \
                                       const T* points, int64_t P, const T* g_out, T* g_grid,    \
                                       T* g_points, int64_t stream) {                            \
    const GridShape shape{{X, Y, Z}};                                                            \
    HEAD3D_LAUNCH(backward<T>, P, 1, stream, grid, shape, C, points, P, g_out, g_grid,           \
                  g_points);                                                                     \
    return 0;                                                                                    \
  }
HEAD3D_GRID_SAMPLE(f32, float)
HEAD3D_GRID_SAMPLE(f64, double)

#endif  // HEAD3D_HOST
