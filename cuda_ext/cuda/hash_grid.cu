// Hash grid and Adam: a thread per point and level, a thread per number.
#include "../math/adam.h"
#include "scatter.h"

namespace head3d::hash_grid {

template <int F, typename T>
__global__ void forward(const T* points, int64_t P, const T* table, Levels<T> levels, T* out);
template <int F, typename T>
__global__ void backward_table(const T* points, int64_t P, Levels<T> levels, const T* g_out,
                               T* g_table);
template <int F, typename T>
__global__ void backward_points(const T* points, int64_t P, const T* table, Levels<T> levels,
                                const T* g_out, T* g_points);
__global__ void adam_touched(float* table, int64_t count, const float* gradient, float* first,
                             float* second, AdamStep step);

#if HEAD3D_DEVICE

template <int F, typename T>
__global__ void forward(const T* points, int64_t P, const T* table, Levels<T> levels, T* out) {
  const int64_t p = item();
  const int l = blockIdx.y;
  if (p >= P) return;
  T sum[F];
  encode_level<F>(levels, l, table, points + 3 * p, sum);
  for (int f = 0; f < F; ++f) out[(p * levels.count + l) * F + f] = sum[f];
}

template <int F, typename T>
__global__ void backward_table(const T* points, int64_t P, Levels<T> levels, const T* g_out,
                               T* g_table) {
  const int64_t p = item();
  const int l = blockIdx.y;
  const bool active = p < P;  // all lanes stay: they add up among themselves
  const int64_t safe = active ? p : P - 1;
  const Corners<T> at = corners_of(levels, l, points + 3 * safe);
  T g[F];
  for (int f = 0; f < F; ++f) g[f] = g_out[(safe * levels.count + l) * F + f];
  scatter_level<F>(levels, l, at, g, active, g_table);
}

template <int F, typename T>
__global__ void backward_points(const T* points, int64_t P, const T* table, Levels<T> levels,
                                const T* g_out, T* g_points) {
  const int64_t p = item();
  if (p >= P) return;
  T sum[3] = {};
  for (int l = 0; l < levels.count; ++l) {
    const Corners<T> at = corners_of(levels, l, points + 3 * p);
    const T* g = g_out + (p * levels.count + l) * F;
    add_point_gradient<F>(levels, l, at, table, g, sum);
  }
  for (int a = 0; a < 3; ++a) g_points[3 * p + a] = sum[a];
}

__global__ void adam_touched(float* table, int64_t count, const float* gradient, float* first,
                             float* second, AdamStep step) {
  const int64_t i = item();
  if (i < count && gradient[i] != 0.f) table[i] += adam(step, gradient[i], first[i], second[i]);
}

#endif  // HEAD3D_DEVICE

}  // namespace head3d::hash_grid

#if HEAD3D_HOST

using namespace head3d;
using namespace head3d::hash_grid;

namespace {

template <int F, typename T>
int run_forward(const T* points, int64_t P, const T* table, const Levels<T>& levels, T* out,
                int64_t stream) {
  HEAD3D_LAUNCH((forward<F, T>), P, levels.count, stream, points, P, table, levels, out);
  return 0;
}

template <int F, typename T>
int run_backward(const T* points, int64_t P, const T* table, const Levels<T>& levels,
                 const T* g_out, T* g_table, T* g_points, int64_t stream) {
  if (g_table)
    HEAD3D_LAUNCH((backward_table<F, T>), P, levels.count, stream, points, P, levels, g_out,
                  g_table);
  if (g_points)
    HEAD3D_LAUNCH((backward_points<F, T>), P, 1, stream, points, P, table, levels, g_out,
                  g_points);
  return 0;
}

}  // namespace

int64_t head3d_abi_version() { return HEAD3D_ABI; }

#define HEAD3D_HASH_GRID(suffix, T)                                                            \
  int head3d_hash_grid_fwd_##suffix(const T* points, int64_t P, const T* table,                \
                                    const double* scales, const int64_t* layout, int64_t L,    \
                                    int64_t F, int64_t smooth, T* out, int64_t stream) {       \
    if (L > kLevels) return int(cudaErrorInvalidValue);                                        \
    const Levels<T> levels = levels_of<T>(scales, layout, L, smooth);                          \
    HEAD3D_BY_FEATURES(F, run_forward, points, P, table, levels, out, stream)                     \
  }                                                                                            \
  int head3d_hash_grid_bwd_##suffix(                                                           \
      const T* points, int64_t P, const T* table, const double* scales, const int64_t* layout, \
      int64_t L, int64_t F, int64_t smooth, const T* g_out, T* g_table, T* g_points,           \
      int64_t stream) {                                                                        \
    if (L > kLevels) return int(cudaErrorInvalidValue);                                        \
    const Levels<T> levels = levels_of<T>(scales, layout, L, smooth);                          \
    HEAD3D_BY_FEATURES(F, run_backward, points, P, table, levels, g_out, g_table, g_points,       \
                       stream)                                                                 \
  }
HEAD3D_HASH_GRID(f32, float)
HEAD3D_HASH_GRID(f64, double)

int head3d_adam_touched(float* table, int64_t E, int64_t F, float* gradient, float* first,
                        float* second, double rate, double beta1, double beta2, double correction2,
                        double epsilon, int64_t stream) {
  const AdamStep step{float(rate), float(beta1), float(beta2), float(correction2), float(epsilon)};
  HEAD3D_LAUNCH(adam_touched, E * F, 1, stream, table, E * F, gradient, first, second, step);
  return 0;
}

#endif  // HEAD3D_HOST
