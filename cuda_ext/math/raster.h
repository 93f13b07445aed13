// Coverage and perspective-correct interpolation of one triangle at one pixel centre.
#pragma once
#include "common.h"

namespace head3d {

// Twice the signed area of (a, b, p) in the picture; positive if p lies to one side of the edge a -> b.
template <typename T>
HEAD3D_HD T edge(T ax, T ay, T bx, T by, T px, T py) {
  return (bx - ax) * (py - ay) - (by - ay) * (px - ax);
}

// Screen-space weights w (summing to one) -> perspective-correct barycentrics, and depth.
// 1/z is linear in the picture: 1/z = sum w_i / z_i and b_i = (w_i / z_i) z.
template <typename T>
HEAD3D_HD T perspective(const T w[3], const T inverse_depth[3], T barycentrics[3]) {
  const T a = w[0] * inverse_depth[0], b = w[1] * inverse_depth[1], c = w[2] * inverse_depth[2];
  const T depth = T(1) / (a + b + c);
  barycentrics[0] = a * depth;
  barycentrics[1] = b * depth;
  barycentrics[2] = c * depth;
  return depth;
}

}  // namespace head3d
