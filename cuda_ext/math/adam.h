// Adam (Kingma & Ba 2015) for one scalar.
#pragma once
#include <cmath>

#include "common.h"

namespace head3d {

struct AdamStep {
  float rate;         // learning rate / (1 - beta1^step)
  float beta1, beta2;
  float correction2;  // 1 / (1 - beta2^step)
  float epsilon;
};

HEAD3D_HD float adam(AdamStep s, float g, float& first, float& second) {
  first = s.beta1 * first + (1.f - s.beta1) * g;
  second = s.beta2 * second + (1.f - s.beta2) * g * g;
  return -s.rate * first / (sqrtf(second * s.correction2) + s.epsilon);
}

}  // namespace head3d
