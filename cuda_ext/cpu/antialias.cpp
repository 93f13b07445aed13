// Antialiasing of silhouettes: bands of rows write their own pixels; what they give to vertices is added up band by
// band, so that the sums do not depend on the number of threads. As fast as with -O3, and compiled in less time.
// flags: -O2
#include "../math/antialias.h"

#include <algorithm>
#include <vector>

#include "../abi.h"

namespace {

constexpr int64_t kRows = 16;  // of a band

template <typename T>
int forward(const head3d::Scene<T>& scene, const T* image, int64_t C, T* out, int64_t threads) {
#pragma omp parallel for schedule(dynamic, kRows) num_threads(threads)
  for (int64_t y = 0; y < scene.H; ++y)
    for (int64_t x = 0; x < scene.W; ++x) head3d::antialias_pixel(scene, image, C, x, y, out);
  return 0;
}

template <typename T>
int backward(const head3d::Scene<T>& scene, const T* image, int64_t C, const T* g_out, T* g_image,
             T* g_vertices, int64_t threads) {
  struct Gift {
    int64_t at;
    T value;
  };
  const int64_t bands = (scene.H + kRows - 1) / kRows;
  std::vector<std::vector<Gift>> gifts(bands);
#pragma omp parallel for schedule(dynamic) num_threads(threads)
  for (int64_t band = 0; band < bands; ++band) {
    const auto add = [&](int64_t vertex, int axis, T value) {
      gifts[band].push_back({3 * vertex + axis, value});
    };
    for (int64_t y = band * kRows; y < std::min(scene.H, (band + 1) * kRows); ++y)
      for (int64_t x = 0; x < scene.W; ++x)
        head3d::antialias_pixel_vjp(scene, image, C, x, y, g_out, g_image, add);
  }
  for (const auto& band : gifts)
    for (const Gift& gift : band) g_vertices[gift.at] += gift.value;
  return 0;
}

}  // namespace

#define HEAD3D_ANTIALIAS(suffix, T)                                                               \
  int head3d_antialias_fwd_##suffix(const T* image, int64_t C, const int64_t* triangle,           \
                                    const float* depth, int64_t H, int64_t W, const T* vertices,  \
                                    const int64_t* faces, const int64_t* twins, T* out,           \
                                    int64_t threads) {                                            \
    return forward<T>({triangle, depth, H, W, vertices, faces, twins}, image, C, out, threads);   \
  }                                                                                               \
  int head3d_antialias_bwd_##suffix(const T* image, int64_t C, const int64_t* triangle,           \
                                    const float* depth, int64_t H, int64_t W, const T* vertices,  \
                                    const int64_t* faces, const int64_t* twins, const T* g_out,   \
                                    T* g_image, T* g_vertices, int64_t threads) {                 \
    return backward<T>({triangle, depth, H, W, vertices, faces, twins}, image, C, g_out, g_image, \
                       g_vertices, threads);                                                      \
  }
#ifdef HEAD3D_F64  // from float64/antialias.cpp
HEAD3D_ANTIALIAS(f64, double)
#else
HEAD3D_ANTIALIAS(f32, float)
#endif
