// Signed distances along a ray -> weights, Wang et al. 2021 (NeuS).
//
// A section between samples 0 and 1 stops the part alpha = max((Phi0 - Phi1) / Phi0, 0) of the light, with the
// logistic Phi_i = 1 / (1 + exp(-sdf_i / sd_i)). Through logarithms, so that deep inside 0 / 0 does not occur:
// alpha = 1 - exp(log Phi1 - log Phi0).
#pragma once
#include <cmath>

#include "common.h"

namespace head3d {

// log(1 / (1 + exp(-x)))
template <typename T>
HEAD3D_HD T log_logistic(T x) {
  using std::exp;
  using std::fabs;
  using std::log1p;
  return least(x, T(0)) - log1p(exp(-fabs(x)));
}

// 1 - logistic(x), the slope of log_logistic
template <typename T>
HEAD3D_HD T log_logistic_slope(T x) {
  using std::exp;
  using std::fabs;
  const T e = exp(-fabs(x));
  return (x > T(0) ? e : T(1)) / (T(1) + e);
}

template <typename T>
HEAD3D_HD T section_alpha(T x0, T x1) {
  using std::expm1;
  const T step = log_logistic(x1) - log_logistic(x0);
  return step < T(0) ? -expm1(step) : T(0);
}

// g0 += d alpha / d x0 * g, g1 += d alpha / d x1 * g
template <typename T>
HEAD3D_HD void section_alpha_vjp(T x0, T x1, T alpha, T g, T& g0, T& g1) {
  if (!(alpha > T(0))) return;
  g0 += g * (T(1) - alpha) * log_logistic_slope(x0);
  g1 -= g * (T(1) - alpha) * log_logistic_slope(x1);
}

// Weights of one ray: w_i = T_i alpha_i, T_i+1 = T_i (1 - alpha_i); the last sample has no section. Sections that less
// light than stop_below reaches have weight 0.
template <typename T>
HEAD3D_HD T ray_weights(const T* sdf, const T* sd, int64_t count, T stop_below, T* weights) {
  T clear = T(1), x0 = count > 0 ? sdf[0] / sd[0] : T(0);
  int64_t i = 0;
  for (; i < count && clear >= stop_below; ++i) {
    T alpha = T(0);
    if (i + 1 < count) {
      const T x1 = sdf[i + 1] / sd[i + 1];
      alpha = section_alpha(x0, x1);
      x0 = x1;
    }
    weights[i] = clear * alpha;
    clear *= T(1) - alpha;
  }
  for (; i < count; ++i) weights[i] = T(0);
  return T(1) - clear;
}

// Cotangents of sdf and sd from those of the weights, without division:
// after_i = g_i alpha_i + (1 - alpha_i) after_i+1 is the mean cotangent from section i on, g_alpha_i = T_i (g_i - after_i+1).
// g_weight(i) gives the cotangent of weight i. g_sd first holds T_i; each is used before it is overwritten.
// Samples behind the last section that counts are not written.
template <typename T, typename GWeight>
HEAD3D_HD void ray_weights_vjp(const T* sdf, const T* sd, int64_t count, T stop_below,
                               GWeight g_weight, T* g_sdf, T* g_sd) {
  T light = T(1);
  for (int64_t i = 0; i + 1 < count; ++i) {
    g_sd[i] = light;
    light *= T(1) - section_alpha(sdf[i] / sd[i], sdf[i + 1] / sd[i + 1]);
    if (light < stop_below) count = i + 2;  // ends both loops
  }
  T after = T(0), g_upper = T(0);  // g_upper: what section i has given to sample i + 1
  for (int64_t i = count - 1; i >= 0; --i) {
    T g_x = T(0);
    const T x0 = sdf[i] / sd[i];
    if (i + 1 < count) {
      const T x1 = sdf[i + 1] / sd[i + 1];
      const T alpha = section_alpha(x0, x1), g = g_weight(i);
      section_alpha_vjp(x0, x1, alpha, g_sd[i] * (g - after), g_x, g_upper);
      after = g * alpha + (T(1) - alpha) * after;
      g_sdf[i + 1] = g_upper / sd[i + 1];
      g_sd[i + 1] = -g_upper * x1 / sd[i + 1];
    }
    g_upper = g_x;
    if (i == 0) {
      g_sdf[0] = g_x / sd[0];
      g_sd[0] = -g_x * x0 / sd[0];
    }
  }
}

}  // namespace head3d
