// Signed distance of a field and its gradient by finite differences: a point and its taps,
// evaluated together.
//
// d(u) = base(u) + reach(u) tanh(unit raw(u) / reach(u)), with raw the network's first output; d =
// unit raw without volumes. Six taps, at u +- h e along the axes: gradient = sum_k s_k d(u + h s_k)
// / (2 h), exact up to h^2 d''' / 6. Four taps, at the corners s_k of a tetrahedron: sum_k s_k d(u
// + h s_k) / (4 h); they cost a third less, and a surface that bends along two axes at once, d_yz,
// adds h d_yz to the x of the gradient. The mean of the taps lies above d by h^2 / 6 or h^2 / 2
// times the Laplacian.
#pragma once
#include "field.h"

namespace head3d {

// Taps: 0, 4 or 6. Row 0 of a point is itself, rows 1 to count its taps.
template <typename T>
struct Taps {
  int32_t count;
  T step;
  HEAD3D_HD int32_t rows() const { return 1 + count; }
};

template <typename T>
HEAD3D_HD T tap_sign(const Taps<T>& taps, int row, int axis) {
  if (row == 0) return T(0);
  const int k = row - 1;
  if (taps.count == 4) return T(corner_sign(k, axis));
  return k / 2 != axis ? T(0) : k % 2 ? T(-1) : T(1);
}

template <typename T>
HEAD3D_HD void tap_place(const Taps<T>& taps, int row, const T* point, T at[3]) {
  for (int a = 0; a < 3; ++a) at[a] = point[a] + taps.step * tap_sign(taps, row, a);
}

// What a tap's distance counts in the gradient, times its sign.
template <typename T>
HEAD3D_HD T tap_share(const Taps<T>& taps) {
  return T(1) / (T(taps.count == 4 ? 4 : 2) * taps.step);
}

// A channel of a grid in the unit cube, its nodes x fastest; what lies outside has the border's
// value, and no slope.
template <typename T>
struct UnitVolume {
  const T* values;             // null: none
  int32_t nodes[3], channels;  // along x, y, z; at least 2
  T origin[3], inverse_cell;   // of node 0; cells per unit
  HEAD3D_HD int32_t stride(int axis) const {
    return channels * (axis == 0 ? 1 : axis == 1 ? nodes[0] : nodes[0] * nodes[1]);
  }
};

template <typename T>
struct VolumeCell {
  int32_t at;  // of the lowest corner's value
  T w[3];
};

template <typename T>
HEAD3D_HD VolumeCell<T> volume_cell(const UnitVolume<T>& volume, T x, T y, T z) {
  VolumeCell<T> cell;
  const T inverse = volume.inverse_cell;
  const int32_t i = grid_axis(volume.nodes[0], (x - volume.origin[0]) * inverse, cell.w[0]);
  const int32_t j = grid_axis(volume.nodes[1], (y - volume.origin[1]) * inverse, cell.w[1]);
  const int32_t k = grid_axis(volume.nodes[2], (z - volume.origin[2]) * inverse, cell.w[2]);
  cell.at = i * volume.stride(0) + j * volume.stride(1) + k * volume.stride(2);
  return cell;
}

template <typename T>
HEAD3D_HD T volume_corner(const UnitVolume<T>& volume, int32_t at, int c) {
  return volume.values[at + ((c & 1) ? volume.stride(0) : 0) + ((c & 2) ? volume.stride(1) : 0) +
                       ((c & 4) ? volume.stride(2) : 0)];
}

template <typename T>
HEAD3D_HD T volume_value(const UnitVolume<T>& volume, T x, T y, T z) {
  const VolumeCell<T> cell = volume_cell(volume, x, y, z);
  T along[4];
  for (int c = 0; c < 4; ++c) {
    const T low = volume_corner(volume, cell.at, 2 * c);
    along[c] = low + cell.w[0] * (volume_corner(volume, cell.at, 2 * c + 1) - low);
  }
  const T low = along[0] + cell.w[1] * (along[1] - along[0]);
  const T high = along[2] + cell.w[1] * (along[3] - along[2]);
  return low + cell.w[2] * (high - low);
}

// g += d value / d point * factor
template <typename T>
HEAD3D_HD void add_volume_slope(const UnitVolume<T>& volume, const T point[3], T factor, T g[3]) {
  const VolumeCell<T> cell = volume_cell(volume, point[0], point[1], point[2]);
  T value[8], slope[3];
  for (int c = 0; c < 8; ++c) value[c] = volume_corner(volume, cell.at, c);
  corner_weights_vjp(value, cell.w[0], cell.w[1], cell.w[2], slope);
  for (int a = 0; a < 3; ++a) {
    const T node = (point[a] - volume.origin[a]) * volume.inverse_cell;
    const bool inside = node >= T(0) && node <= T(volume.nodes[a] - 1);
    if (inside) g[a] += factor * slope[a] * volume.inverse_cell;
  }
}

HEAD3D_HD float tanh_of(float x) { return quick_tanh(x); }
HEAD3D_HD double tanh_of(double x) {
  using std::tanh;
  return tanh(x);
}

// What turns the network's first output into a distance; base and reach are there both or not at
// all.
template <typename T>
struct Shell {
  UnitVolume<T> base, reach;
  T unit;
};

template <typename T>
struct Distance {
  T value, slope;  // slope: by raw
};

template <typename T>
HEAD3D_HD Distance<T> bounded_distance(T base, T reach, T unit, T raw) {
  const T part = tanh_of(raw * unit / reach);
  return {base + reach * part, unit * (T(1) - part * part)};
}

template <typename T>
HEAD3D_HD Distance<T> distance_at(const Shell<T>& shell, T x, T y, T z, T raw) {
  if (!shell.base.values) return {shell.unit * raw, shell.unit};
  return bounded_distance(volume_value(shell.base, x, y, z), volume_value(shell.reach, x, y, z),
                          shell.unit, raw);
}

// Distances of a point's rows -> gradient (3) and mean of the taps; nothing without taps.
template <typename T>
HEAD3D_HD void join_taps(const Taps<T>& taps, const T* distance, T* gradient, T* mean) {
  if (taps.count == 0) return;
  T sum[3] = {0, 0, 0}, all = 0;
  for (int row = 1; row <= taps.count; ++row) {
    all += distance[row];
    for (int a = 0; a < 3; ++a) sum[a] += tap_sign(taps, row, a) * distance[row];
  }
  for (int a = 0; a < 3; ++a) gradient[a] = sum[a] * tap_share(taps);
  *mean = all / T(taps.count);
}

// Cotangent of a row's distance.
template <typename T>
HEAD3D_HD T row_cotangent(const Taps<T>& taps, int row, T g_distance, const T* g_gradient,
                          T g_mean) {
  if (row == 0) return g_distance;
  T sum = 0;
  for (int a = 0; a < 3; ++a) sum += tap_sign(taps, row, a) * g_gradient[a];
  return sum * tap_share(taps) + g_mean / T(taps.count);
}

// A point's part of the way back: places of its rows (rows 3), cotangents of their outputs (rows O;
// taps have only the first), and, unless g_point is null, what base gives the point. No gradient
// flows through the reach.
template <typename T>
HEAD3D_HD void part_taps(const Taps<T>& taps, const Shell<T>& shell, const T* point, int64_t O,
                         const T* slope /* rows */, const T* g_outputs /* O */,
                         const T* g_gradient /* 3 */, const T* g_mean /* 1 */, T* places, T* g_raw,
                         T* g_point /* 3 */) {
  T sum[3] = {0, 0, 0};
  for (int row = 0; row < taps.rows(); ++row) {
    T at[3];
    tap_place(taps, row, point, at);
    const T g = taps.count == 0 ? g_outputs[0]
                                : row_cotangent(taps, row, g_outputs[0], g_gradient, *g_mean);
    for (int a = 0; a < 3; ++a) places[3 * row + a] = at[a];
    g_raw[row * O] = g * slope[row];
    for (int64_t o = 1; o < O; ++o) g_raw[row * O + o] = row == 0 ? g_outputs[o] : T(0);
    if (g_point && shell.base.values) add_volume_slope(shell.base, at, g, sum);
  }
  if (!g_point) return;
  for (int a = 0; a < 3; ++a) g_point[a] = sum[a];
}

// nodes: x, y, z and channels of base, then of reach; frames: origin and cell of each.
template <typename T>
HEAD3D_HOST_ONLY Shell<T> shell_of(const T* base, const T* reach, const int64_t* nodes,
                                   const double* frames, double unit) {
  Shell<T> shell{};
  UnitVolume<T>* volumes[2] = {&shell.base, &shell.reach};
  for (int v = 0; v < 2 && base; ++v, nodes += 4, frames += 4) {
    volumes[v]->values = v == 0 ? base : reach;
    for (int a = 0; a < 3; ++a) {
      volumes[v]->nodes[a] = int32_t(nodes[a]);
      volumes[v]->origin[a] = T(frames[a]);
    }
    volumes[v]->channels = int32_t(nodes[3]);
    volumes[v]->inverse_cell = T(1 / frames[3]);
  }
  shell.unit = T(unit);
  return shell;
}

}  // namespace head3d
