// Activations of the small networks, and their slopes from the activated value.
#pragma once
#include <cmath>

#include "common.h"

namespace head3d {

enum class Activation : int64_t { kRelu = 0, kSoftplus = 1 };

constexpr double kSoftplusBeta = 100;  // as in the SDF networks of Yariv et al. 2020 (IDR)

template <typename T>
HEAD3D_HD T softplus(T x) {
  using std::exp;
  using std::fabs;
  using std::log1p;
  const T y = T(kSoftplusBeta) * x;
  return (most(y, T(0)) + log1p(exp(-fabs(y)))) / T(kSoftplusBeta);
}

// d softplus / dx = logistic(beta x) = 1 - exp(-beta softplus(x))
template <typename T>
HEAD3D_HD T softplus_slope(T activated) {
  using std::expm1;
  return -expm1(-T(kSoftplusBeta) * activated);
}

}  // namespace head3d
