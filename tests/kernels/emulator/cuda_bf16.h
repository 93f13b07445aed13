// bfloat16 for g++: rounds to the nearest, ties to even, as the GPU does.
#pragma once
#include "cuda_runtime.h"

struct __nv_bfloat16 {
  uint16_t bits;
};

inline __nv_bfloat16 __float2bfloat16(float value) {
  const unsigned all = __float_as_uint(value);
  if (value != value) return {0x7FFF};
  return {uint16_t((all + 0x7FFF + (all >> 16 & 1)) >> 16)};
}
inline float __bfloat162float(__nv_bfloat16 value) {
  return __uint_as_float(unsigned(value.bits) << 16);
}
inline float emulator_float(__nv_bfloat16 value) { return __bfloat162float(value); }
