// Spread of the weights along rays of packed samples: a thread per ray.
#include "../math/distortion.h"
#include "launch.h"

namespace head3d::distortion {

template <typename T>
__global__ void forward(const T* weights, const T* starts, const T* ends, const int64_t* packed,
                        int64_t R, T* loss);
template <typename T>
__global__ void backward(const T* weights, const T* starts, const T* ends, const int64_t* packed,
                         int64_t R, const T* g_loss, T* g_weights, T* g_starts, T* g_ends);

#if HEAD3D_DEVICE

template <typename T>
__global__ void forward(const T* weights, const T* starts, const T* ends, const int64_t* packed,
                        int64_t R, T* loss) {
  const int64_t r = item();
  if (r >= R) return;
  const int64_t at = packed[2 * r];
  loss[r] = ray_distortion(weights + at, starts + at, ends + at, packed[2 * r + 1]);
}

template <typename T>
__global__ void backward(const T* weights, const T* starts, const T* ends, const int64_t* packed,
                         int64_t R, const T* g_loss, T* g_weights, T* g_starts, T* g_ends) {
  const int64_t r = item();
  if (r >= R) return;
  const int64_t at = packed[2 * r];
  ray_distortion_vjp(weights + at, starts + at, ends + at, packed[2 * r + 1], g_loss[r],
                     g_weights + at, g_starts + at, g_ends + at);
}

#endif  // HEAD3D_DEVICE

}  // namespace head3d::distortion

#if HEAD3D_HOST

using namespace head3d::distortion;

#define HEAD3D_DISTORTION(suffix, T)                                                             \
  int head3d_distortion_fwd_##suffix(const T* weights, const T* starts, const T* ends,           \
                                     const int64_t* packed, int64_t R, T* loss,                  \
                                     int64_t stream) {                                           \
    HEAD3D_LAUNCH(forward<T>, R, 1, stream, weights, starts, ends, packed, R, loss);             \
    return 0;                                                                                    \
  }                                                                                              \
  int head3d_distortion_bwd_##suffix(const T* weights, const T* starts, const T* ends,           \
                                     const int64_t* packed, int64_t R, const T* g_loss,          \
                                     T* g_weights, T* g_starts, T* g_ends, int64_t stream) {     \
    HEAD3D_LAUNCH(backward<T>, R, 1, stream, weights, starts, ends, packed, R, g_loss,           \
                  g_weights, g_starts, g_ends);                                                  \
    return 0;                                                                                    \
  }
HEAD3D_DISTORTION(f32, float)
HEAD3D_DISTORTION(f64, double)

#endif  // HEAD3D_HOST
