// Weights and sums along rays of packed samples; a ray belongs to one thread.
// As fast as with -O3, and compiled in three quarters of the time.
// flags: -O2
#include <algorithm>

#include "../abi.h"
#include "../math/neus.h"

namespace {

template <typename T>
int forward(const T* sdf, const T* sd, const int64_t* packed, int64_t R, const T* values, int64_t C,
            double stop_below, T* weights, T* opacity, T* sums, int64_t threads) {
#pragma omp parallel for schedule(dynamic, 256) num_threads(threads)
  for (int64_t r = 0; r < R; ++r) {
    const int64_t start = packed[2 * r], count = packed[2 * r + 1];
    opacity[r] = head3d::ray_weights(sdf + start, sd + start, count, T(stop_below),
                                     weights + start);
    T* sum = sums + r * C;
    std::fill(sum, sum + C, T(0));
    for (int64_t i = start; i < start + count; ++i)
      for (int64_t c = 0; c < C; ++c) sum[c] += weights[i] * values[i * C + c];
  }
  return 0;
}

template <typename T>
int backward(const T* sdf, const T* sd, const int64_t* packed, int64_t R, const T* values,
             int64_t C, double stop_below, const T* weights, const T* g_weights,
             const T* g_opacity, const T* g_sums, T* g_sdf, T* g_sd, T* g_values, int64_t threads) {
#pragma omp parallel for schedule(dynamic, 256) num_threads(threads)
  for (int64_t r = 0; r < R; ++r) {
    const int64_t start = packed[2 * r], count = packed[2 * r + 1];
    const T* g_sum = g_sums + r * C;
    const auto g_weight = [&](int64_t i) {
      T g = g_weights[start + i] + g_opacity[r];
      for (int64_t c = 0; c < C; ++c) g += g_sum[c] * values[(start + i) * C + c];
      return g;
    };
    head3d::ray_weights_vjp(sdf + start, sd + start, count, T(stop_below), g_weight,
                            g_sdf + start, g_sd + start);
    for (int64_t i = start; i < start + count; ++i)
      for (int64_t c = 0; c < C; ++c) g_values[i * C + c] = weights[i] * g_sum[c];
  }
  return 0;
}

}  // namespace

#define HEAD3D_COMPOSITE(suffix, T)                                                             \
  int head3d_composite_fwd_##suffix(const T* sdf, const T* sd, const int64_t* packed, int64_t R, \
                                    const T* values, int64_t C, double stop_below, T* weights,   \
                                    T* opacity, T* sums,                                         \
                                    int64_t threads) {                                          \
    return forward(sdf, sd, packed, R, values, C, stop_below, weights, opacity, sums,            \
                   threads);                                                                     \
  }                                                                                             \
  int head3d_composite_bwd_##suffix(const T* sdf, const T* sd, const int64_t* packed, int64_t R, \
                                    const T* values, int64_t C, double stop_below,               \
                                    const T* weights,                                            \
                                    const T* g_weights, const T* g_opacity, const T* g_sums,    \
                                    T* g_sdf, T* g_sd, T* g_values, int64_t threads) {          \
    return backward(sdf, sd, packed, R, values, C, stop_below, weights, g_weights, g_opacity,    \
                    g_sums, g_sdf,                                                               \
                    g_sd, g_values, threads);                                                   \
  }
#ifdef HEAD3D_F64  // from float64/compositing.cpp
HEAD3D_COMPOSITE(f64, double)
#else
HEAD3D_COMPOSITE(f32, float)
#endif
