// Hash grid and Adam: a thread per point and level, a thread per number.
#include "../math/adam.h"
#include "../math/hash_grid.h"
#include "launch.h"

namespace head3d::hash_grid {

constexpr int kLevels = 32;

template <typename T>
struct Levels {
  HashLevel shape[kLevels];
  T scale[kLevels];
  int64_t offset[kLevels];
  int count;
  bool smooth;
};

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

template <typename T>
struct Corners {
  uint32_t cell[3];
  T w[3], slope[3];
};

template <typename T>
__device__ Corners<T> corners_of(const Levels<T>& levels, int l, const T* point) {
  Corners<T> at;
  for (int a = 0; a < 3; ++a) {
    T t;
    at.cell[a] = grid_cell(point[a], levels.scale[l], t);
    at.w[a] = grid_weight(t, levels.smooth);
    const bool inside = point[a] >= T(0) && point[a] <= T(1);
    at.slope[a] = inside ? levels.scale[l] * grid_weight_slope(t, levels.smooth) : T(0);
  }
  return at;
}

template <typename T>
__device__ int64_t entry_of(const Levels<T>& levels, int l, const Corners<T>& at, int c) {
  return levels.offset[l] + grid_entry(levels.shape[l], at.cell[0] + (c & 1),
                                       at.cell[1] + (c >> 1 & 1), at.cell[2] + (c >> 2));
}

template <int F, typename T>
__global__ void forward(const T* points, int64_t P, const T* table, Levels<T> levels, T* out) {
  const int64_t p = item();
  const int l = blockIdx.y;
  if (p >= P) return;
  const Corners<T> at = corners_of(levels, l, points + 3 * p);
  T sum[F] = {};
  for (int c = 0; c < 8; ++c) {
    const T weight = corner_weight(c, at.w[0], at.w[1], at.w[2]);
    const T* entry = table + entry_of(levels, l, at, c) * F;
    for (int f = 0; f < F; ++f) sum[f] += weight * entry[f];
  }
  for (int f = 0; f < F; ++f) out[(p * levels.count + l) * F + f] = sum[f];
}

template <int F, typename T>
__global__ void backward_table(const T* points, int64_t P, Levels<T> levels, const T* g_out,
                               T* g_table) {
  const int64_t p = item();
  const int l = blockIdx.y;
  if (p >= P) return;
  const Corners<T> at = corners_of(levels, l, points + 3 * p);
  const T* g = g_out + (p * levels.count + l) * F;
  for (int c = 0; c < 8; ++c) {
    const T weight = corner_weight(c, at.w[0], at.w[1], at.w[2]);
    T* entry = g_table + entry_of(levels, l, at, c) * F;
    for (int f = 0; f < F; ++f) atomicAdd(entry + f, weight * g[f]);
  }
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
    T value[8], slope[3];
    for (int c = 0; c < 8; ++c) {
      const T* entry = table + entry_of(levels, l, at, c) * F;
      value[c] = 0;
      for (int f = 0; f < F; ++f) value[c] += entry[f] * g[f];
    }
    corner_weights_vjp(value, at.w[0], at.w[1], at.w[2], slope);
    for (int a = 0; a < 3; ++a) sum[a] += slope[a] * at.slope[a];
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

template <typename T>
Levels<T> levels_of(const double* scales, const int64_t* layout, int64_t L, int64_t smooth) {
  Levels<T> levels{};
  levels.count = int(L);
  levels.smooth = smooth != 0;
  for (int64_t l = 0; l < L; ++l) {
    const int64_t resolution = layout[3 * l], entries = layout[3 * l + 2];
    levels.shape[l].resolution = uint32_t(resolution);
    levels.shape[l].entries = uint32_t(entries);
    levels.shape[l].hashed = resolution * resolution * resolution > entries;
    levels.scale[l] = T(scales[l]);
    levels.offset[l] = layout[3 * l + 1];
  }
  return levels;
}

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

#define HEAD3D_BY_FEATURES(run, ...) \
  switch (F) {                       \
    case 1:                          \
      return run<1>(__VA_ARGS__);    \
    case 2:                          \
      return run<2>(__VA_ARGS__);    \
    case 4:                          \
      return run<4>(__VA_ARGS__);    \
    case 8:                          \
      return run<8>(__VA_ARGS__);    \
  }                                  \
  return int(cudaErrorInvalidValue);

#define HEAD3D_HASH_GRID(suffix, T)                                                            \
  int head3d_hash_grid_fwd_##suffix(const T* points, int64_t P, const T* table,                \
                                    const double* scales, const int64_t* layout, int64_t L,    \
                                    int64_t F, int64_t smooth, T* out, int64_t stream) {       \
    if (L > kLevels) return int(cudaErrorInvalidValue);                                        \
    const Levels<T> levels = levels_of<T>(scales, layout, L, smooth);                          \
    HEAD3D_BY_FEATURES(run_forward, points, P, table, levels, out, stream)                     \
  }                                                                                            \
  int head3d_hash_grid_bwd_##suffix(                                                           \
      const T* points, int64_t P, const T* table, const double* scales, const int64_t* layout, \
      int64_t L, int64_t F, int64_t smooth, const T* g_out, T* g_table, T* g_points,           \
      int64_t stream) {                                                                        \
    if (L > kLevels) return int(cudaErrorInvalidValue);                                        \
    const Levels<T> levels = levels_of<T>(scales, layout, L, smooth);                          \
    HEAD3D_BY_FEATURES(run_backward, points, P, table, levels, g_out, g_table, g_points,       \
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
