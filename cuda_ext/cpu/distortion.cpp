// Spread of the weights along rays of packed samples; a ray belongs to one thread.
#include "../math/distortion.h"

#include "../abi.h"

namespace {

template <typename T>
int forward(const T* weights, const T* starts, const T* ends, const int64_t* packed, int64_t R,
            T* loss, int64_t threads) {
#pragma omp parallel for schedule(dynamic, 256) num_threads(threads)
  for (int64_t r = 0; r < R; ++r) {
    const int64_t at = packed[2 * r];
    loss[r] = head3d::ray_distortion(weights + at, starts + at, ends + at, packed[2 * r + 1]);
  }
  return 0;
}

template <typename T>
int backward(const T* weights, const T* starts, const T* ends, const int64_t* packed, int64_t R,
             const T* g_loss, T* g_weights, T* g_starts, T* g_ends, int64_t threads) {
#pragma omp parallel for schedule(dynamic, 256) num_threads(threads)
  for (int64_t r = 0; r < R; ++r) {
    const int64_t at = packed[2 * r];
    head3d::ray_distortion_vjp(weights + at, starts + at, ends + at, packed[2 * r + 1], g_loss[r],
                               g_weights + at, g_starts + at, g_ends + at);
  }
  return 0;
}

}  // namespace

#define HEAD3D_DISTORTION(suffix, T)                                                             \
  int head3d_distortion_fwd_##suffix(const T* weights, const T* starts, const T* ends,           \
                                     const int64_t* packed, int64_t R, T* loss,                  \
                                     int64_t threads) {                                          \
    return forward(weights, starts, ends, packed, R, loss, threads);                             \
  }                                                                                              \
  int head3d_distortion_bwd_##suffix(const T* weights, const T* starts, const T* ends,           \
                                     const int64_t* packed, int64_t R, const T* g_loss,          \
                                     T* g_weights, T* g_starts, T* g_ends, int64_t threads) {    \
    return backward(weights, starts, ends, packed, R, g_loss, g_weights, g_starts, g_ends,       \
                    threads);                                                                    \
  }
#ifdef HEAD3D_F64  // from float64/distortion.cpp
HEAD3D_DISTORTION(f64, double)
#else
HEAD3D_DISTORTION(f32, float)
#endif
