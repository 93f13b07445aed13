// Closest point on a triangle, without branches so that a loop over triangles becomes vector code.
#pragma once
#include <cmath>

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

// A triangle in axes of its own, for many distances to it: the longest side lies along x from the origin, the third
// corner at y >= 0, so that the foot of the point falls on one of three sides or between them.
template <typename T>
struct TriangleFrame {
  Vec3<T> origin, x, y, z;
  T base;                    // length of the longest side
  T right[2], right_length;  // from its end to the third corner: unit direction, length
  T left[2], left_length;    // from the origin to the third corner
};

template <typename T>
HEAD3D_HD T segment2_distance2(T px, T py, T ux, T uy, T length) {
  const T along = px * ux + py * uy;
  const T t = least(most(along, T{}), length);
  const T dx = px - t * ux, dy = py - t * uy;
  return dx * dx + dy * dy;
}

// T is a number, or a vector of several triangles; the point is one for all of them.
template <typename T, typename P>
HEAD3D_HD T frame_distance2(const TriangleFrame<T>& f, Vec3<P> p) {
  const Vec3<T> d{p.x - f.origin.x, p.y - f.origin.y, p.z - f.origin.z};
  const T x = dot(d, f.x), y = dot(d, f.y), z = dot(d, f.z);
  const T across = x - f.base;
  const T dx = x - least(most(x, T{}), f.base);
  const T bottom = dx * dx + y * y;
  const T right = segment2_distance2(across, y, f.right[0], f.right[1], f.right_length);
  const T left = segment2_distance2(x, y, f.left[0], f.left[1], f.left_length);
  // > 0 on the inner side of all sides; a triangle without area has no inner side
  const T inner =
      least(least(y, f.right[0] * y - f.right[1] * across), f.left[1] * x - f.left[0] * y);
  const T side = least(bottom, least(right, left));
  return z * z + (inner > T{} ? T{} : side);
}

HEAD3D_HOST_ONLY TriangleFrame<float> triangle_frame(const float* a, const float* b, const float* c) {
  const float* corner[3] = {a, b, c};
  Vec3<double> side[3];
  int longest = 0;
  for (int k = 0; k < 3; ++k) {
    const float *from = corner[k], *to = corner[(k + 1) % 3];
    side[k] = {double(to[0]) - from[0], double(to[1]) - from[1], double(to[2]) - from[2]};
    if (dot(side[k], side[k]) > dot(side[longest], side[longest])) longest = k;
  }
  const float* start = corner[longest];
  const Vec3<double> base = side[longest], left = side[(longest + 2) % 3] * -1.0;
  const double length = std::sqrt(dot(base, base));
  const Vec3<double> x = length > 0 ? base * (1 / length) : Vec3<double>{1, 0, 0};
  const double cx = dot(left, x);
  Vec3<double> y = left - x * cx;
  double cy = std::sqrt(dot(y, y));
  if (cy > 1e-9 * length) {  // 1e-9: far below the rounding of the corners
    y = y * (1 / cy);
  } else {
    cy = 0;
    y = cross(x, std::fabs(x.x) < 0.6 ? Vec3<double>{1, 0, 0} : Vec3<double>{0, 1, 0});
    y = y * (1 / std::sqrt(dot(y, y)));
  }
  const Vec3<double> z = cross(x, y);
  const double right_length = std::sqrt((cx - length) * (cx - length) + cy * cy);
  const double left_length = std::sqrt(cx * cx + cy * cy);
  const double right = right_length > 0 ? 1 / right_length : 0;
  const double left_inverse = left_length > 0 ? 1 / left_length : 0;
  const auto single = [](Vec3<double> v) {
    return Vec3<float>{float(v.x), float(v.y), float(v.z)};
  };
  return {{start[0], start[1], start[2]},
          single(x),
          single(y),
          single(z),
          float(length),
          {float((cx - length) * right), float(cy * right)},
          float(right_length),
          {float(cx * left_inverse), float(cy * left_inverse)},
          float(left_length)};
}

// A balanced tree over faces needs no pointers: part j of 2^l at level l holds the faces order[part_start(F, l, j)] up to
// order[part_start(F, l, j + 1)], its halves are the parts 2 j and 2 j + 1 of the next level, its box is number 2^l + j.
HEAD3D_HD int64_t part_start(int64_t F, int64_t level, int64_t part) { return F * part >> level; }

template <typename T>
HEAD3D_HD T box_distance2(Vec3<T> p, const T lo[3], const T hi[3]) {
  const T x = most(most(lo[0] - p.x, p.x - hi[0]), T(0));
  const T y = most(most(lo[1] - p.y, p.y - hi[1]), T(0));
  const T z = most(most(lo[2] - p.z, p.z - hi[2]), T(0));
  return x * x + y * y + z * z;
}

}  // namespace head3d
