// Closest point on a triangle, without branches so that a loop over triangles becomes vector code.
#pragma once
#include "common.h"

namespace head3d {

// Squared distance from p to the segment a, a + e; t is where along it. `e_dot_e` may be zero.
template <typename T>
HEAD3D_HD T segment_distance2(Vec3<T> ap, Vec3<T> e, T& t) {
  const T length2 = dot(e, e);
  // 1e-30: a segment of no length is its first point, whatever t
  t = clamp(dot(ap, e) / (length2 + T(1e-30)), T(0), T(1));
  const Vec3<T> d = ap - e * t;
  return dot(d, d);
}

// Squared distance from p to the triangle (a, b, c), and the barycentrics of the closest point.
// Inside the prism over the triangle the distance is that to the plane, else that to the closest edge.
template <typename T>
HEAD3D_HD T triangle_distance2(Vec3<T> p, Vec3<T> a, Vec3<T> b, Vec3<T> c, T& u, T& v, T& w) {
  const Vec3<T> ab = b - a, bc = c - b, ca = a - c, ap = p - a, bp = p - b, cp = p - c;
  const Vec3<T> n = cross(ab, c - a);
  T t0, t1, t2;
  const T d0 = segment_distance2(ap, ab, t0);
  const T d1 = segment_distance2(bp, bc, t1);
  const T d2 = segment_distance2(cp, ca, t2);
  // areas of the three sub-triangles seen along n
  const T wc = dot(cross(ab, ap), n), wa = dot(cross(bc, bp), n), wb = dot(cross(ca, cp), n);
  const T n2 = dot(n, n);
  const T height = dot(ap, n);
  const bool inside = (wa >= T(0)) & (wb >= T(0)) & (wc >= T(0)) & (n2 > T(1e-30));
  const T inverse = T(1) / (n2 + T(1e-30));
  T best = d0;
  u = T(1) - t0;
  v = t0;
  w = T(0);
  const bool second = d1 < best;
  best = second ? d1 : best;
  u = second ? T(0) : u;
  v = second ? T(1) - t1 : v;
  w = second ? t1 : w;
  const bool third = d2 < best;
  best = third ? d2 : best;
  u = third ? t2 : u;
  v = third ? T(0) : v;
  w = third ? T(1) - t2 : w;
  const T total = T(1) / (wa + wb + wc + T(1e-30));
  best = inside ? height * height * inverse : best;
  u = inside ? wa * total : u;
  v = inside ? wb * total : v;
  w = inside ? wc * total : w;
  return best;
}

}  // namespace head3d
