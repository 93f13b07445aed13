// As many floats at a time as a register of the machine holds: compilers split wider vectors into single numbers.
#pragma once
#include <cstdint>

#if defined(__AVX2__)
#include <immintrin.h>
#endif

namespace head3d {

#if defined(__AVX512F__)
constexpr int kLaneBits = 4;
#else
constexpr int kLaneBits = 3;
#endif
constexpr int kLanes = 1 << kLaneBits;
constexpr uint32_t kAllLanes = (1u << kLanes) - 1;
typedef float Lanes __attribute__((vector_size(4 * kLanes)));

// Bit i: lane i is below the value.
inline uint32_t below(const Lanes& v, float value) {
#if defined(__AVX512F__)
  return _mm512_cmp_ps_mask(__m512(v), _mm512_set1_ps(value), _CMP_LT_OQ);
#elif defined(__AVX2__)
  const __m256 limit = _mm256_set1_ps(value);
  return uint32_t(_mm256_movemask_ps(_mm256_cmp_ps(__m256(v), limit, _CMP_LT_OQ)));
#else
  uint32_t mask = 0;
  for (int i = 0; i < kLanes; ++i) mask |= uint32_t(v[i] < value) << i;
  return mask;
#endif
}

// The lane with the least of the values named by the mask, which are not negative; of values that agree but for the
// last four bits of the mantissa, the first lane. The mask is not empty.
inline int least_lane(const Lanes& v, uint32_t mask) {
  if ((mask & (mask - 1)) == 0) return __builtin_ctz(mask);
#if defined(__AVX512F__)
  // floats that are not negative sort as integers; the lane rides in the last bits
  const __m512i lane = _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
  const __m512i key = _mm512_or_si512(
      _mm512_andnot_si512(_mm512_set1_epi32(15), _mm512_castps_si512(__m512(v))), lane);
  __m512i least = _mm512_mask_mov_epi32(_mm512_set1_epi32(0x7fffffff), __mmask16(mask), key);
  least = _mm512_min_epi32(least, _mm512_shuffle_i64x2(least, least, 0x4e));
  least = _mm512_min_epi32(least, _mm512_shuffle_i64x2(least, least, 0xb1));
  least = _mm512_min_epi32(least, _mm512_shuffle_epi32(least, _MM_PERM_BADC));
  least = _mm512_min_epi32(least, _mm512_shuffle_epi32(least, _MM_PERM_CDAB));
  return _mm_cvtsi128_si32(_mm512_castsi512_si128(least)) & 15;
#else
  int best = __builtin_ctz(mask);
  for (uint32_t rest = mask & (mask - 1); rest; rest &= rest - 1) {
    const int lane = __builtin_ctz(rest);
    if (v[lane] < v[best]) best = lane;
  }
  return best;
#endif
}

}  // namespace head3d
