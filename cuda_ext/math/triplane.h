// Tri-plane of Chan et al. 2022 (EG3D): a point is projected onto three planes, and what is found
// there is added up.
//
// Plane k holds coordinate k along its rows (W) and coordinate k + 1 mod 3 across them (H): XY, YZ,
// ZX. Nodes fill the unit square from corner to corner; the value in a cell is sum_c weight_c
// plane[node_c] with weights (1 - u) (1 - v), u (1 - v), (1 - u) v, u v.
#pragma once
#include "grid_sample.h"

namespace head3d {

struct PlaneShape {
  int64_t H, W;
  HEAD3D_HD int64_t nodes() const { return H * W; }
  // Of corner c from the lowest one; bits 0 and 1 of c say upper along W and along H.
  HEAD3D_HD int64_t corner(int c) const { return (c & 1) + (c >> 1) * W; }
};

HEAD3D_HD int plane_across(int plane) { return plane == 2 ? 0 : plane + 1; }

// Node of the cell's lowest corner within its plane, and the position (u, v) in the cell; a, b in
// the unit square.
template <typename T>
HEAD3D_HD int32_t plane_cell(PlaneShape shape, T a, T b, T& u, T& v) {
  const int32_t column = grid_axis(shape.W, a * T(shape.W - 1), u);
  const int32_t row = grid_axis(shape.H, b * T(shape.H - 1), v);
  return row * int32_t(shape.W) + column;
}

template <typename T>
HEAD3D_HD void plane_weights(T u, T v, T weight[4]) {
  weight[3] = u * v;
  weight[2] = v - weight[3];
  weight[1] = u - weight[3];
  weight[0] = T(1) - u - weight[2];
}

// d (sum_c weight_c value_c) / d (a, b), for the four dot products value_c with a cotangent.
template <typename T>
HEAD3D_HD void plane_weights_vjp(PlaneShape shape, const T value[4], T u, T v, T& g_a, T& g_b) {
  const T low = value[1] - value[0], high = value[3] - value[2];
  g_a = (low + v * (high - low)) * T(shape.W - 1);
  const T left = value[2] - value[0], right = value[3] - value[1];
  g_b = (left + u * (right - left)) * T(shape.H - 1);
}

// A coordinate beyond the border is moved to it and gets no gradient.
template <typename T>
HEAD3D_HD bool in_unit(T coordinate) {
  return (coordinate >= T(0)) & (coordinate <= T(1));
}

}  // namespace head3d
