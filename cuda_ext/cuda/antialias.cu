// Antialiasing of silhouettes: a thread per pixel; vertices are added to atomically, silhouettes are few.
#include "../math/antialias.h"
#include "launch.h"

namespace head3d::antialias {

template <typename T>
__global__ void forward(Scene<T> scene, const T* image, int64_t C, T* out);
template <typename T>
__global__ void backward(Scene<T> scene, const T* image, int64_t C, const T* g_out, T* g_image,
                         T* g_vertices);

#if HEAD3D_DEVICE

template <typename T>
__global__ void forward(Scene<T> scene, const T* image, int64_t C, T* out) {
  const int64_t i = item();
  if (i < scene.H * scene.W) antialias_pixel(scene, image, C, i % scene.W, i / scene.W, out);
}

template <typename T>
__global__ void backward(Scene<T> scene, const T* image, int64_t C, const T* g_out, T* g_image,
                         T* g_vertices) {
  const int64_t i = item();
  if (i >= scene.H * scene.W) return;
  antialias_pixel_vjp(
      scene, image, C, i % scene.W, i / scene.W, g_out, g_image,
      [=](int64_t vertex, int axis, T value) { atomicAdd(g_vertices + 3 * vertex + axis, value); });
}

#endif  // HEAD3D_DEVICE

}  // namespace head3d::antialias

#if HEAD3D_HOST

using namespace head3d;
using namespace head3d::antialias;

#define HEAD3D_ANTIALIAS(suffix, T)                                                              \
  int head3d_antialias_fwd_##suffix(const T* image, int64_t C, const int64_t* triangle,          \
                                    const float* depth, int64_t H, int64_t W, const T* vertices, \
                                    const int64_t* faces, const int64_t* twins, T* out,          \
                                    int64_t stream) {                                            \
    const Scene<T> scene{triangle, depth, H, W, vertices, faces, twins};                         \
    HEAD3D_LAUNCH(forward<T>, H * W, 1, stream, scene, image, C, out);                           \
    return 0;                                                                                    \
  }                                                                                              \
  int head3d_antialias_bwd_##suffix(const T* image, int64_t C, const int64_t* triangle,          \
                                    const float* depth, int64_t H, int64_t W, const T* vertices, \
                                    const int64_t* faces, const int64_t* twins, const T* g_out,  \
                                    T* g_image, T* g_vertices, int64_t stream) {                 \
    const Scene<T> scene{triangle, depth, H, W, vertices, faces, twins};                         \
    HEAD3D_LAUNCH(backward<T>, H * W, 1, stream, scene, image, C, g_out, g_image, g_vertices);   \
    return 0;                                                                                    \
  }
HEAD3D_ANTIALIAS(f32, float)
HEAD3D_ANTIALIAS(f64, double)

#endif  // HEAD3D_HOST
