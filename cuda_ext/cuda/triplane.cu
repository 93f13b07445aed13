// Lookup in three planes: neighbouring threads take neighbouring channels, which lie side by side
// in memory.
#include "../math/triplane.h"
#include "launch.h"

namespace head3d::triplane {

template <typename T>
__global__ void forward(const T* planes, PlaneShape shape, int64_t C, const T* points, int64_t P,
                        T* out);
template <typename T>
__global__ void backward_planes(PlaneShape shape, int64_t C, const T* points, int64_t P,
                                const T* g_out, T* g_planes);
template <typename T>
__global__ void backward_points(const T* planes, PlaneShape shape, int64_t C, const T* points,
                                int64_t P, const T* g_out, T* g_points);

#if HEAD3D_DEVICE

// Where a point lies in a plane: its first node, counted through all planes, and the position in
// the cell.
template <typename T>
__device__ int64_t place(PlaneShape shape, int plane, const T* point, T& u, T& v) {
  return plane * shape.nodes() + plane_cell(shape, point[plane], point[plane_across(plane)], u, v);
}

template <typename T>
__global__ void forward(const T* planes, PlaneShape shape, int64_t C, const T* points, int64_t P,
                        T* out) {
  const int64_t i = item(), p = i / C, k = i % C;
  if (p >= P) return;
  T value = 0;
  for (int plane = 0; plane < 3; ++plane) {
    T u, v, weight[4];
    const int64_t node = place(shape, plane, points + 3 * p, u, v);
    plane_weights(u, v, weight);
    for (int c = 0; c < 4; ++c) value += weight[c] * planes[(node + shape.corner(c)) * C + k];
  }
  out[i] = value;
}

template <typename T>
__global__ void backward_planes(PlaneShape shape, int64_t C, const T* points, int64_t P,
                                const T* g_out, T* g_planes) {
  const int64_t i = item(), p = i / C, k = i % C;
  if (p >= P) return;
  for (int plane = 0; plane < 3; ++plane) {
    T u, v, weight[4];
    const int64_t node = place(shape, plane, points + 3 * p, u, v);
    plane_weights(u, v, weight);
    for (int c = 0; c < 4; ++c)
      atomicAdd(g_planes + (node + shape.corner(c)) * C + k, weight[c] * g_out[i]);
  }
}

template <typename T>
__global__ void backward_points(const T* planes, PlaneShape shape, int64_t C, const T* points,
                                int64_t P, const T* g_out, T* g_points) {
  const int64_t p = item();
  if (p >= P) return;
  T slope[3] = {0, 0, 0};
  for (int plane = 0; plane < 3; ++plane) {
    T u, v, value[4] = {0, 0, 0, 0}, along, across;
    const int64_t node = place(shape, plane, points + 3 * p, u, v);
    for (int c = 0; c < 4; ++c)
      for (int64_t k = 0; k < C; ++k)
        value[c] += planes[(node + shape.corner(c)) * C + k] * g_out[p * C + k];
    plane_weights_vjp(shape, value, u, v, along, across);
    slope[plane] += along;
    slope[plane_across(plane)] += across;
  }
  for (int a = 0; a < 3; ++a) g_points[3 * p + a] = in_unit(points[3 * p + a]) ? slope[a] : T(0);
}

#endif  // HEAD3D_DEVICE

}  // namespace head3d::triplane

#if HEAD3D_HOST

using namespace head3d;
using namespace head3d::triplane;

#define HEAD3D_TRIPLANE(suffix, T)                                                               \
  int head3d_triplane_fwd_##suffix(const T* planes, int64_t H, int64_t W, int64_t C,             \
                                   const T* points, int64_t P, T* out, int64_t stream) {         \
    const PlaneShape shape{H, W};                                                                \
    HEAD3D_LAUNCH(forward<T>, P * C, 1, stream, planes, shape, C, points, P, out);               \
    return 0;                                                                                    \
  }                                                                                              \
  int head3d_triplane_bwd_##suffix(const T* planes, int64_t H, int64_t W, int64_t C,             \
                                   const T* points, int64_t P, const T* g_out, T* g_planes,      \
                                   T* g_points, int64_t stream) {                                \
    const PlaneShape shape{H, W};                                                                \
    if (g_planes)                                                                                \
      HEAD3D_LAUNCH(backward_planes<T>, P * C, 1, stream, shape, C, points, P, g_out, g_planes); \
    if (g_points)                                                                                \
      HEAD3D_LAUNCH(backward_points<T>, P, 1, stream, planes, shape, C, points, P, g_out,        \
                    g_points);                                                                   \
    return 0;                                                                                    \
  }
HEAD3D_TRIPLANE(f32, float)
HEAD3D_TRIPLANE(f64, double)

#endif  // HEAD3D_HOST
