// How far the weights of a ray are spread (Barron et al. 2022, Mip-NeRF 360, eq. 15), in one pass (Sun et al. 2022,
// DVGOv2): with m the middle and d the length of a section, middles ascending,
//   L = sum_ij w_i w_j |m_i - m_j| + 1/3 sum_i w_i^2 d_i
//     = sum_i 2 w_i (m_i W_i - M_i) + 1/3 w_i^2 d_i,   W_i = sum_j<i w_j, M_i = sum_j<i w_j m_j.
#pragma once
#include "common.h"

namespace head3d {

// Middles are taken from the first start on, so that a far ray loses no digits of float32.
template <typename T>
HEAD3D_HD T ray_distortion(const T* weights /* n */, const T* starts /* n */, const T* ends /* n */,
                           int64_t n) {
  T loss = 0, light = 0, moment = 0;
  for (int64_t i = 0; i < n; ++i) {
    const T w = weights[i], length = ends[i] - starts[i];
    const T middle = (starts[i] - starts[0]) + T(0.5) * length;
    loss += T(2) * w * (middle * light - moment) + w * w * length / T(3);
    light += w;
    moment += w * middle;
  }
  return loss;
}

// dL/dw_i = 2 sum_j w_j |m_i - m_j| + 2/3 w_i d_i,  dL/dm_i = 2 w_i (W before - W after),  dL/dd_i = w_i^2 / 3.
// Up from the first section for what lies before, down from the last for what lies after.
template <typename T>
HEAD3D_HD void ray_distortion_vjp(const T* weights, const T* starts, const T* ends, int64_t n,
                                  T g_loss, T* g_weights, T* g_starts, T* g_ends) {
  T light = 0, moment = 0;
  for (int64_t i = 0; i < n; ++i) {
    const T w = weights[i], length = ends[i] - starts[i];
    const T middle = (starts[i] - starts[0]) + T(0.5) * length;
    g_weights[i] = g_loss * (T(2) * (middle * light - moment) + T(2) * w * length / T(3));
    g_starts[i] = g_loss * (w * light - w * w / T(3));
    g_ends[i] = g_loss * (w * light + w * w / T(3));
    light += w;
    moment += w * middle;
  }
  light = moment = 0;
  for (int64_t i = n - 1; i >= 0; --i) {
    const T w = weights[i], middle = (starts[i] - starts[0]) + T(0.5) * (ends[i] - starts[i]);
    g_weights[i] += g_loss * T(2) * (moment - middle * light);
    g_starts[i] -= g_loss * w * light;
    g_ends[i] -= g_loss * w * light;
    light += w;
    moment += w * middle;
  }
}

}  // namespace head3d
