// Levels of a hash grid as the kernels take them: by value, so that launches copy nothing to the GPU.
#pragma once
#include "../math/hash_grid.h"
#include "launch.h"

namespace head3d {

constexpr int kLevels = 32;

template <typename T>
struct Levels {
  HashLevel shape[kLevels];
  T scale[kLevels];
  int64_t offset[kLevels];
  int count;
  bool smooth;
};

#if HEAD3D_HOST

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

#endif  // HEAD3D_HOST
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

// The features of a point at a level.
template <int F, typename T>
__device__ void encode_level(const Levels<T>& levels, int l, const T* table, const T* point,
                             T sum[F]) {
  const Corners<T> at = corners_of(levels, l, point);
  for (int f = 0; f < F; ++f) sum[f] = 0;
#pragma unroll
  for (int c = 0; c < 8; ++c) {
    const T weight = corner_weight(c, at.w[0], at.w[1], at.w[2]);
    const T* entry = table + entry_of(levels, l, at, c) * F;
    for (int f = 0; f < F; ++f) sum[f] += weight * entry[f];
  }
}

// sum += what a level gives the gradient of the point, from the cotangents of its features.
template <int F, typename T>
__device__ void add_point_gradient(const Levels<T>& levels, int l, const Corners<T>& at,
                                   const T* table, const T g[F], T sum[3]) {
  T value[8], slope[3];
  for (int c = 0; c < 8; ++c) {
    const T* entry = table + entry_of(levels, l, at, c) * F;
    value[c] = 0;
    for (int f = 0; f < F; ++f) value[c] += entry[f] * g[f];
  }
  corner_weights_vjp(value, at.w[0], at.w[1], at.w[2], slope);
  for (int a = 0; a < 3; ++a) sum[a] += slope[a] * at.slope[a];
}

#endif  // HEAD3D_DEVICE

}  // namespace head3d

// The switch from a number of features to a template's parameter; `run` is an expression that returns an error code.
#define HEAD3D_BY_FEATURES(F, run, ...) \
  switch (F) {                          \
    case 1:                             \
      return run<1>(__VA_ARGS__);       \
    case 2:                             \
      return run<2>(__VA_ARGS__);       \
    case 4:                             \
      return run<4>(__VA_ARGS__);       \
    case 8:                             \
      return run<8>(__VA_ARGS__);       \
  }                                     \
  return int(cudaErrorInvalidValue);
