// Light on a matte surface: order-2 spherical harmonics (Ramamoorthi & Hanrahan 2001) and lamps.
//
// Harmonics: radiance = albedo / pi * irradiance, irradiance = sum_lm A_l L_lm Y_lm(n) with A = pi,
// 2 pi / 3, pi / 4. Y_lm are real, orthonormal, without the Condon-Shortley sign, in the order 1,
// y, z, x, xy, yz, 3z2-1, xz, x2-y2. Lamps: radiance = albedo / pi * sum_l intensity_l max(n . d,
// 0) / r^2, d the unit direction to the lamp, r the way.
#pragma once
#include <cmath>

#include "common.h"

namespace head3d {

constexpr int kHarmonics = 9;
constexpr double kHarmonic0 = 0.28209479177387814;   // 1 / (2 sqrt(pi)): of the uniform sky
constexpr double kHarmonic1 = 0.32573500793527993;   // 2/3 sqrt(3 / (4 pi))
constexpr double kHarmonic2 = 0.27313710764801974;   // 1/4 sqrt(15 / (4 pi)); half of it for x2-y2
constexpr double kHarmonic20 = 0.07884789131313000;  // 1/4 sqrt(5 / (16 pi))

// The nine polynomials in their order, each times the constant of its kind: y, z, x by first; xy, yz, xz and half of it
// x2-y2 by second; 3z2-1 by zonal.
template <typename T>
HEAD3D_HD void harmonics(T x, T y, T z, T first, T second, T zonal, T basis[kHarmonics]) {
  basis[0] = T(kHarmonic0);
  basis[1] = first * y;
  basis[2] = first * z;
  basis[3] = first * x;
  basis[4] = second * x * y;
  basis[5] = second * y * z;
  basis[6] = zonal * (T(3) * z * z - T(1));
  basis[7] = second * x * z;
  basis[8] = T(0.5) * second * (x * x - y * y);
}

// Y_lm A_l / pi of a normal.
template <typename T>
HEAD3D_HD void irradiance_basis(T x, T y, T z, T basis[kHarmonics]) {
  harmonics(x, y, z, T(kHarmonic1), T(kHarmonic2), T(kHarmonic20), basis);
}

// Y_lm of a direction, order 1 and 2 times what a blur leaves of them: A_1 / pi is 2/3, A_2 / pi 1/4.
template <typename T>
HEAD3D_HD void radiance_basis(T x, T y, T z, T blur1, T blur2, T basis[kHarmonics]) {
  harmonics(x, y, z, T(1.5 * kHarmonic1) * blur1, T(4 * kHarmonic2) * blur2,
            T(4 * kHarmonic20) * blur2, basis);
}

// Cotangent of the normal from that of the basis.
template <typename T>
HEAD3D_HD void irradiance_basis_vjp(T x, T y, T z, const T g[kHarmonics], T& g_x, T& g_y, T& g_z) {
  const T c1 = T(kHarmonic1), c2 = T(kHarmonic2), c20 = T(6 * kHarmonic20);
  g_x = c1 * g[3] + c2 * (y * g[4] + z * g[7] + x * g[8]);
  g_y = c1 * g[1] + c2 * (x * g[4] + z * g[5] - y * g[8]);
  g_z = c1 * g[2] + c2 * (y * g[5] + x * g[7]) + c20 * z * g[6];
}

// Real light is not negative, an order-2 fit of it may be: below twice the floor, light falls
// towards the floor exponentially. The floor is a part of the ambient light, and a constant to the
// gradient.
template <typename T>
HEAD3D_HD T light_floor(T ambient, T darkest) {
  return darkest * T(kHarmonic0) * (ambient < T(0) ? -ambient : ambient);
}

template <typename T>
HEAD3D_HD T lift(T light, T floor) {
  const T above =
      light / most(floor, T(1e-6)) - T(2);  // a black sky has no floor; this keeps 0 / 0 away
  return floor * (T(1) + std::exp(least(T(0), above)));  // in this order a NaN stays one
}

template <typename T>
HEAD3D_HD T lift_slope(T light, T floor) {
  const T scale = most(floor, T(1e-6));
  return floor / scale * std::exp(least(T(0), light / scale - T(2)));
}

template <typename T>
HEAD3D_HD bool is_dark(T light, T floor) {
  return !(light > T(2) * floor);
}

constexpr double kLampSquared = 1e-6;  // m2: nearer than 1 mm a lamp is no point; as LAMP_M in Python
constexpr double kInversePi = 0.31830988618379067;

// Part of a lamp's intensity that a white matte surface sends on: max(n . way, 0) / (pi r^3), way =
// lamp - point (m). Also its gradient in the normal, which is that part of the way: g_normal =
// slope * way.
template <typename T>
HEAD3D_HD T lamp_part(Vec3<T> normal, Vec3<T> way, T& slope) {
  const T square = most(dot(way, way), T(kLampSquared)), facing = dot(normal, way);
  const T scale = T(kInversePi) / (square * std::sqrt(square));
  slope = facing > T(0) ? scale : T(0);
  return facing * slope;
}

}  // namespace head3d
