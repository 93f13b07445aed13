// float16 for g++.
#pragma once
#include "cuda_runtime.h"

struct __half {
  _Float16 value;
};

inline __half __float2half(float value) { return {_Float16(value)}; }
inline float __half2float(__half value) { return float(value.value); }
inline float emulator_float(__half value) { return float(value.value); }
