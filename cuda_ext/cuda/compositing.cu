// Weights and sums along rays of packed samples: a thread per ray.
#include "../math/neus.h"
#include "launch.h"

namespace head3d::compositing {

template <typename T>
__global__ void forward(const T* sdf, const T* sd, const int64_t* packed, int64_t R,
                        const T* values, int64_t C, double stop_below, T* weights, T* opacity,
                        T* sums);
template <typename T>
__global__ void backward(const T* sdf, const T* sd, const int64_t* packed, int64_t R,
                         const T* values, int64_t C, double stop_below, const T* weights,
                         const T* g_weights, const T* g_opacity, const T* g_sums, T* g_sdf, T* g_sd,
                         T* g_values);

#if HEAD3D_DEVICE

template <typename T>
__global__ void forward(const T* sdf, const T* sd, const int64_t* packed, int64_t R,
                        const T* values, int64_t C, double stop_below, T* weights, T* opacity,
                        T* sums) {
  const int64_t r = item();
  if (r >= R) return;
  const int64_t start = packed[2 * r], count = packed[2 * r + 1];
  opacity[r] = ray_weights(sdf + start, sd + start, count, T(stop_below), weights + start);
  for (int64_t c = 0; c < C; ++c) {
    T sum = 0;
    for (int64_t i = start; i < start + count; ++i) sum += weights[i] * values[i * C + c];
    sums[r * C + c] = sum;
  }
}

template <typename T>
__global__ void backward(const T* sdf, const T* sd, const int64_t* packed, int64_t R,
                         const T* values, int64_t C, double stop_below, const T* weights,
                         const T* g_weights, const T* g_opacity, const T* g_sums, T* g_sdf, T* g_sd,
                         T* g_values) {
  const int64_t r = item();
  if (r >= R) return;
  const int64_t start = packed[2 * r], count = packed[2 * r + 1];
  const T* g_sum = g_sums + r * C;
  const auto g_weight = [&](int64_t i) {
    T g = g_weights[start + i] + g_opacity[r];
    for (int64_t c = 0; c < C; ++c) g += g_sum[c] * values[(start + i) * C + c];
    return g;
  };
  ray_weights_vjp(sdf + start, sd + start, count, T(stop_below), g_weight,
                  g_sdf + start, g_sd + start);
  for (int64_t i = start; i < start + count; ++i)
    for (int64_t c = 0; c < C; ++c) g_values[i * C + c] = weights[i] * g_sum[c];
}

#endif  // HEAD3D_DEVICE

}  // namespace head3d::compositing

#if HEAD3D_HOST

using namespace head3d::compositing;

#define HEAD3D_COMPOSITE(suffix, T)                                                             \
  int head3d_composite_fwd_##suffix(const T* sdf, const T* sd, const int64_t* packed, int64_t R, \
                                    const T* values, int64_t C, double stop_below, T* weights,   \
                                    T* opacity, T* sums,                                         \
                                    int64_t stream) {                                           \
    HEAD3D_LAUNCH(forward<T>, R, 1, stream, sdf, sd, packed, R, values, C, stop_below, weights,  \
                  opacity,                                                                       \
                  sums);                                                                        \
    return 0;                                                                                   \
  }                                                                                             \
  int head3d_composite_bwd_##suffix(const T* sdf, const T* sd, const int64_t* packed, int64_t R, \
                                    const T* values, int64_t C, double stop_below,               \
                                    const T* weights,                                            \
                                    const T* g_weights, const T* g_opacity, const T* g_sums,    \
                                    T* g_sdf, T* g_sd, T* g_values, int64_t stream) {           \
    HEAD3D_LAUNCH(backward<T>, R, 1, stream, sdf, sd, packed, R, values, C, stop_below, weights, \
                  g_weights,                                                                     \
                  g_opacity, g_sums, g_sdf, g_sd, g_values);                                    \
    return 0;                                                                                   \
  }
HEAD3D_COMPOSITE(f32, float)
HEAD3D_COMPOSITE(f64, double)

#endif  // HEAD3D_HOST
