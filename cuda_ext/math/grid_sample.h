// Where a point lies in a dense grid (X Y Z), and trilinear interpolation there.
#pragma once
#include "hash_grid.h"

namespace head3d {

struct GridShape {
  int64_t n[3];
};

template <typename T>
struct Place {
  int64_t node[8];
  T w[3];
  bool inside[3];
};

// Cell and position in it along one axis, from a position in node units, clamped to the grid; a NaN becomes 0.
template <typename T>
HEAD3D_HD int32_t grid_axis(int64_t nodes, T position, T& w) {
  const T q = clamp(position, T(0), T(nodes - 1));
  const int32_t i = int32_t(q), last = int32_t(nodes) - 2;  // the last node belongs to the last cell
  const int32_t cell = i < last ? i : last;
  w = q - T(cell);
  return cell;
}

template <typename T>
HEAD3D_HD Place<T> grid_place(GridShape shape, Vec3<T> position) {
  const T p[3] = {position.x, position.y, position.z};
  Place<T> at;
  int64_t cell[3];
  for (int a = 0; a < 3; ++a) {
    cell[a] = grid_axis(shape.n[a], p[a], at.w[a]);
    at.inside[a] = (p[a] >= T(0)) & (p[a] <= T(shape.n[a] - 1));
  }
  for (int c = 0; c < 8; ++c)
    at.node[c] = ((cell[0] + (c & 1)) * shape.n[1] + cell[1] + (c >> 1 & 1)) * shape.n[2] +
                 cell[2] + (c >> 2);
  return at;
}

// One channel: value = sum_c weight_c grid[node_c].
template <typename T>
HEAD3D_HD T grid_value(const T* grid, const Place<T>& at) {
  T x[4];
  for (int c = 0; c < 4; ++c) {
    const T low = grid[at.node[2 * c]];
    x[c] = low + at.w[0] * (grid[at.node[2 * c + 1]] - low);
  }
  const T low = x[0] + at.w[1] * (x[1] - x[0]), high = x[2] + at.w[1] * (x[3] - x[2]);
  return low + at.w[2] * (high - low);
}

}  // namespace head3d
