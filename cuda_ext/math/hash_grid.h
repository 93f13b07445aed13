// Multi-resolution hash grid, Mueller et al. 2022, with the tables of tiny-cuda-nn.
//
// Level l: position = x * scale + 1/2, cell = floor(position), weights (1 - t, t) or their smoothstep per axis.
// A corner's entry is its dense index while the level is small enough, else the xor of its coordinates times primes.
#pragma once
#include "common.h"

namespace head3d {

struct HashLevel {
  uint32_t resolution, entries;  // entries: a multiple of 8, a power of two if hashed
  bool hashed;
};

// An entry's index is joined from one term per axis: products with primes by xor, or with strides by addition.
HEAD3D_HD uint32_t grid_term(HashLevel level, int axis, uint32_t cell) {
  if (axis == 0) return cell;
  if (level.hashed) return cell * (axis == 1 ? 2654435761u : 805459861u);
  return cell * (axis == 1 ? level.resolution : level.resolution * level.resolution);
}

// Dense indices may pass the end by less than one table (corner `resolution` aliases, as in tiny-cuda-nn).
HEAD3D_HD uint32_t grid_join(HashLevel level, uint32_t x, uint32_t y, uint32_t z) {
  if (level.hashed) return (x ^ y ^ z) & (level.entries - 1);
  const uint32_t index = x + y + z;
  return index < level.entries ? index : index - level.entries;
}

HEAD3D_HD uint32_t grid_entry(HashLevel level, uint32_t x, uint32_t y, uint32_t z) {
  return grid_join(level, grid_term(level, 0, x), grid_term(level, 1, y), grid_term(level, 2, z));
}

// Cell and position in it, along one axis. Points are clamped to the unit cube; the gradient beyond it is zero.
template <typename T>
HEAD3D_HD uint32_t grid_cell(T x, T scale, T& t) {
  const T position = clamp(x, T(0), T(1)) * scale + T(0.5);  // a NaN becomes 0 here
  const int32_t cell = int32_t(position);
  t = position - T(cell);
  return uint32_t(cell);
}

// 0: linear, 1: smoothstep.
template <typename T>
HEAD3D_HD T grid_weight(T t, bool smooth) {
  return smooth ? t * t * (T(3) - T(2) * t) : t;
}
template <typename T>
HEAD3D_HD T grid_weight_slope(T t, bool smooth) {
  return smooth ? T(6) * t * (T(1) - t) : T(1);
}

// Weight of corner c, whose bits 0, 1, 2 say upper in x, y, z.
template <typename T>
HEAD3D_HD T corner_weight(int c, T wx, T wy, T wz) {
  return ((c & 1) ? wx : T(1) - wx) * ((c & 2) ? wy : T(1) - wy) * ((c & 4) ? wz : T(1) - wz);
}

// d (sum_c weight_c value_c) / d (wx, wy, wz), for the eight dot products value_c with a cotangent.
template <typename T>
HEAD3D_HD void corner_weights_vjp(const T value[8], T wx, T wy, T wz, T g[3]) {
  T front[4];  // along x first
  for (int c = 0; c < 4; ++c) front[c] = value[2 * c] + wx * (value[2 * c + 1] - value[2 * c]);
  T slope[4];
  for (int c = 0; c < 4; ++c) slope[c] = value[2 * c + 1] - value[2 * c];
  const T low = front[0] + wy * (front[1] - front[0]), high = front[2] + wy * (front[3] - front[2]);
  const T slope_low = slope[0] + wy * (slope[1] - slope[0]);
  const T slope_high = slope[2] + wy * (slope[3] - slope[2]);
  g[0] = slope_low + wz * (slope_high - slope_low);
  const T rise_low = front[1] - front[0], rise_high = front[3] - front[2];
  g[1] = rise_low + wz * (rise_high - rise_low);
  g[2] = high - low;
}

}  // namespace head3d
