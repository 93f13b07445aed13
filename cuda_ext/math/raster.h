// Coverage and perspective-correct interpolation of one triangle at one pixel centre.
#pragma once
#include "common.h"

namespace head3d {

// The side of a directed edge a -> b on which a point lies. Kept from the end that comes first in the picture, so that
// the two triangles at an edge get values that are exact negatives: no pixel centre falls between them.
template <typename T>
struct Edge {
  T x, y, along_x, along_y;

  // Twice the signed area of (a, b, p) in the picture.
  template <typename P>
  HEAD3D_HD P side(P px, T py) const {
    return along_x * (py - y) - along_y * (px - x);
  }
};

template <typename T>
HEAD3D_HD Edge<T> edge_between(const T a[2], const T b[2]) {
  const bool swap = b[0] < a[0] || (b[0] == a[0] && b[1] < a[1]);
  return {swap ? b[0] : a[0], swap ? b[1] : a[1], b[0] - a[0], b[1] - a[1]};
}

// A triangle of three corners (x px, y px, z m) made ready for `cover`; valid: it has area and lies before the camera.
template <typename T>
struct Outline {
  Edge<T> edge[3];  // opposite to corner 0, 1, 2
  T inverse_area, inverse_depth[3];
  bool valid;
};

template <typename T>
HEAD3D_HD Outline<T> outline(const T a[3], const T b[3], const T c[3]) {
  Outline<T> o;
  o.edge[0] = edge_between(b, c);
  o.edge[1] = edge_between(c, a);
  o.edge[2] = edge_between(a, b);
  const T area = o.edge[2].side(c[0], c[1]);
  o.inverse_area = T(1) / area;
  o.inverse_depth[0] = T(1) / a[2];
  o.inverse_depth[1] = T(1) / b[2];
  o.inverse_depth[2] = T(1) / c[2];
  // x - x == 0: neither infinite nor NaN, so that `cover` meets no NaN
  o.valid = (a[2] > 0) & (b[2] > 0) & (c[2] > 0) & (area - area == 0) &
            (o.inverse_area - o.inverse_area == 0);
  return o;
}

// Perspective-correct barycentrics and depth at a point of the picture; the result is negative outside. Edges belong
// to both neighbours. 1/z is linear in the picture: 1/z = sum w_i / z_i and b_i = (w_i / z_i) z.
// P is T, or a vector of several x.
template <typename T, typename P>
HEAD3D_HD P cover(const Outline<T>& o, P px, T py, P barycentrics[3], P& depth) {
  const P w0 = o.edge[0].side(px, py) * o.inverse_area;
  const P w1 = o.edge[1].side(px, py) * o.inverse_area;
  const P w2 = o.edge[2].side(px, py) * o.inverse_area;
  const P a = w0 * o.inverse_depth[0], b = w1 * o.inverse_depth[1], c = w2 * o.inverse_depth[2];
  depth = T(1) / (a + b + c);
  barycentrics[0] = a * depth;
  barycentrics[1] = b * depth;
  barycentrics[2] = c * depth;
  return least(w0, least(w1, w2));
}

// Pixels, along one axis of n, whose centres lie in [lo, hi]: [first, last]. NaN gives none.
HEAD3D_HD void pixel_span(double lo, double hi, int64_t n, int64_t& first, int64_t& last) {
  first = 0;
  last = -1;
  if (!(lo <= double(n) && hi >= 0)) return;
  // centres at + 0.5; adding before truncation rounds up and down without a call
  first = int64_t(most(lo + 0.5, 0.0));
  first += double(first) + 0.5 < lo;
  last = int64_t(least(hi + 0.5, double(n))) - 1;
}

}  // namespace head3d
