// Hash grid for 16 points at once on AVX-512, for entries of two floats: an entry is one 64-bit
// word, so a gather fetches eight of them, and what comes out, (feature 0, feature 1) of 16 points,
// is the row of a matrix tile.
#pragma once
#if defined(__AVX512F__) && defined(__AVX512BW__)
#define HEAD3D_WIDE
#include <immintrin.h>

#include "../math/hash_grid.h"

namespace head3d {
namespace wide {

// A lookup of 16 points on one level: where the corners are, and the weights of the upper corner
// along each axis.
struct Lookup {
  __m512i x[2], y[2], z[2];  // terms of the entry's index, lower and upper
  __m512 w[3];
};

struct WideLevel {
  HashLevel shape;
  float scale;
  int64_t offset;
  bool smooth;
};

inline void locate_axis(const WideLevel& level, int axis, __m512 value, __m512i term[2],
                        __m512& w) {
  const __m512 one = _mm512_set1_ps(1.f);
  // max(x, 0) returns its second operand for NaN: a NaN becomes 0, as in grid_cell
  const __m512 unit = _mm512_min_ps(_mm512_max_ps(value, _mm512_setzero_ps()), one);
  const __m512 position =
      _mm512_add_ps(_mm512_mul_ps(unit, _mm512_set1_ps(level.scale)), _mm512_set1_ps(0.5f));
  const __m512i cell = _mm512_cvttps_epi32(position);
  w = _mm512_sub_ps(position, _mm512_cvtepi32_ps(cell));
  if (level.smooth) {
    const __m512 slope = _mm512_fnmadd_ps(_mm512_set1_ps(2.f), w, _mm512_set1_ps(3.f));
    w = _mm512_mul_ps(_mm512_mul_ps(w, w), slope);
  }
  const uint32_t step = grid_term(level.shape, axis, 1);  // a term is the cell times this
  const __m512i by = _mm512_set1_epi32(int32_t(step));
  term[0] = axis == 0 ? cell : _mm512_mullo_epi32(cell, by);
  term[1] = _mm512_add_epi32(term[0], by);
}

inline Lookup locate(const WideLevel& level, const __m512 xyz[3]) {
  Lookup at;
  locate_axis(level, 0, xyz[0], at.x, at.w[0]);
  locate_axis(level, 1, xyz[1], at.y, at.w[1]);
  locate_axis(level, 2, xyz[2], at.z, at.w[2]);
  return at;
}

// Entries of corner c, as grid_join.
inline __m512i corner(const WideLevel& level, const Lookup& at, int c) {
  const __m512i x = at.x[c & 1], y = at.y[c >> 1 & 1], z = at.z[c >> 2];
  const __m512i entries = _mm512_set1_epi32(int32_t(level.shape.entries));
  if (level.shape.hashed) {
    const __m512i mask = _mm512_sub_epi32(entries, _mm512_set1_epi32(1));
    return _mm512_and_si512(_mm512_xor_si512(_mm512_xor_si512(x, y), z), mask);
  }
  const __m512i index = _mm512_add_epi32(_mm512_add_epi32(x, y), z);
  const __mmask16 past = _mm512_cmpge_epu32_mask(index, entries);
  return _mm512_mask_sub_epi32(index, past, index, entries);
}

// Points [first, first + 16) of P as one register per axis; those past the end are the origin.
inline void load_points(const float* points, int64_t first, int64_t P, __m512 xyz[3]) {
  const int64_t left = P - first;
  const float* p = points + 3 * first;
  __m512 a, b, c;
  if (left >= 16) {
    a = _mm512_loadu_ps(p), b = _mm512_loadu_ps(p + 16), c = _mm512_loadu_ps(p + 32);
  } else {
    float padded[48] = {};
    for (int64_t i = 0; i < 3 * left; ++i) padded[i] = p[i];
    a = _mm512_loadu_ps(padded), b = _mm512_loadu_ps(padded + 16), c = _mm512_loadu_ps(padded + 32);
  }
  for (int axis = 0; axis < 3; ++axis) {
    // of 48 numbers every third: those in a and b by one two-table permutation, those in c by
    // another
    alignas(64) int32_t low[16], high[16];
    for (int i = 0; i < 16; ++i) {
      const int at = 3 * i + axis;
      low[i] = at < 32 ? at : 0;
      high[i] = at < 32 ? i : 16 + at - 32;
    }
    const __m512 front = _mm512_permutex2var_ps(a, _mm512_load_si512(low), b);
    xyz[axis] = _mm512_permutex2var_ps(front, _mm512_load_si512(high), c);
  }
}

// (w0 w0 w1 w1 ...) of eight points.
inline __m512 doubled(__m512 w, int half) {
  const __m512i low = _mm512_set_epi32(7, 7, 6, 6, 5, 5, 4, 4, 3, 3, 2, 2, 1, 1, 0, 0);
  const __m512i at = half ? _mm512_add_epi32(low, _mm512_set1_epi32(8)) : low;
  return _mm512_permutexvar_ps(at, w);
}

inline __m512 mix(__m512 a, __m512 b, __m512 w) {
  return _mm512_fmadd_ps(w, _mm512_sub_ps(b, a), a);
}

inline __m512 gather(const float* entries, __m512i index, int half) {
  const __m256i part = half ? _mm512_extracti64x4_epi64(index, 1) : _mm512_castsi512_si256(index);
  return _mm512_castpd_ps(_mm512_i32gather_pd(part, entries, 8));
}

// Values of 16 points, as (feature 0, feature 1) of points 0 to 7 and of points 8 to 15.
inline void lookup(const WideLevel& level, const float* entries, const Lookup& at, __m512 out[2]) {
  __m512i index[8];
#pragma GCC unroll 8
  for (int c = 0; c < 8; ++c) index[c] = corner(level, at, c);
#pragma GCC unroll 2
  for (int half = 0; half < 2; ++half) {
    const __m512 wx = doubled(at.w[0], half), wy = doubled(at.w[1], half),
                 wz = doubled(at.w[2], half);
    __m512 along[4];
#pragma GCC unroll 4
    for (int c = 0; c < 4; ++c)
      along[c] =
          mix(gather(entries, index[2 * c], half), gather(entries, index[2 * c + 1], half), wx);
    out[half] = mix(mix(along[0], along[1], wy), mix(along[2], along[3], wy), wz);
  }
}

// Slope of an axis' weight where a point moves; none outside the cube.
inline __m512 axis_slope(const WideLevel& level, __m512 value) {
  const __m512 one = _mm512_set1_ps(1.f), scale = _mm512_set1_ps(level.scale);
  const __mmask16 inside = _mm512_cmp_ps_mask(value, _mm512_setzero_ps(), _CMP_GE_OQ) &
                           _mm512_cmp_ps_mask(value, one, _CMP_LE_OQ);
  if (!level.smooth) return _mm512_maskz_mov_ps(inside, scale);
  const __m512 position = _mm512_add_ps(_mm512_mul_ps(value, scale), _mm512_set1_ps(0.5f));
  const __m512 t = _mm512_sub_ps(position, _mm512_floor_ps(position));
  const __m512 slope = _mm512_mul_ps(_mm512_set1_ps(6.f), _mm512_mul_ps(t, _mm512_sub_ps(one, t)));
  return _mm512_maskz_mul_ps(inside, scale, slope);
}

// Adds what a level gives the gradient of 16 points, from the cotangents (g0, g1) of their
// features.
inline void add_point_gradients(const WideLevel& level, const float* entries, const __m512 xyz[3],
                                __m512 g0, __m512 g1, __m512 sum[3]) {
  const Lookup at = locate(level, xyz);
  const __m512i even = _mm512_set_epi32(30, 28, 26, 24, 22, 20, 18, 16, 14, 12, 10, 8, 6, 4, 2, 0);
  const __m512i odd = _mm512_add_epi32(even, _mm512_set1_epi32(1));
  __m512 value[8], slope[3];
#pragma GCC unroll 8
  for (int c = 0; c < 8; ++c) {
    const __m512i index = corner(level, at, c);
    const __m512 low = gather(entries, index, 0), high = gather(entries, index, 1);
    value[c] = _mm512_mul_ps(_mm512_permutex2var_ps(low, even, high), g0);
    value[c] = _mm512_fmadd_ps(_mm512_permutex2var_ps(low, odd, high), g1, value[c]);
  }
  corner_weights_vjp(value, at.w[0], at.w[1], at.w[2], slope);
  for (int a = 0; a < 3; ++a) sum[a] = _mm512_fmadd_ps(slope[a], axis_slope(level, xyz[a]), sum[a]);
}

// Asks for the entries of 16 points before they are needed.
inline void fetch(const WideLevel& level, const float* entries, const Lookup& at) {
  alignas(64) uint32_t index[16];
  // neighbours along x share a line seven times of eight: only the lower ones are asked for
#pragma GCC unroll 4
  for (int c = 0; c < 8; c += 2) {
    _mm512_store_si512(index, corner(level, at, c));
    for (int i = 0; i < 16; ++i) __builtin_prefetch(entries + 2 * int64_t(index[i]));
  }
}

// Adds weight * (g0, g1) of the first `count` of 16 points to the entries of their corners.
inline void add(const WideLevel& level, float* entries, const Lookup& at, __m512 g0, __m512 g1,
                int count) {
  alignas(64) uint32_t index[8][16];
  alignas(64) float part[8][32];
  const __m512 one = _mm512_set1_ps(1.f);
  const __m512 low_y = _mm512_sub_ps(one, at.w[1]), low_z = _mm512_sub_ps(one, at.w[2]);
#pragma GCC unroll 8
  for (int c = 0; c < 8; ++c) {
    _mm512_store_si512(index[c], corner(level, at, c));
    const __m512 yz = _mm512_mul_ps((c & 2) ? at.w[1] : low_y, (c & 4) ? at.w[2] : low_z);
    const __m512 upper = _mm512_mul_ps(yz, at.w[0]);
    const __m512 weight = (c & 1) ? upper : _mm512_sub_ps(yz, upper);
    const __m512 a = _mm512_mul_ps(weight, g0), b = _mm512_mul_ps(weight, g1);
    // pairs in the order 0 1 4 5 8 9 12 13 | 2 3 6 7 10 11 14 15: put right by `place` below
    _mm512_store_ps(part[c], _mm512_unpacklo_ps(a, b));
    _mm512_store_ps(part[c] + 16, _mm512_unpackhi_ps(a, b));
  }
  static constexpr int place[16] = {0, 1, 8, 9, 2, 3, 10, 11, 4, 5, 12, 13, 6, 7, 14, 15};
  const auto step = [&](int i) {
#pragma GCC unroll 8
    for (int c = 0; c < 8; ++c) {
      __m64* entry = reinterpret_cast<__m64*>(entries + 2 * int64_t(index[c][i]));
      const __m64* g = reinterpret_cast<const __m64*>(part[c] + 2 * place[i]);
      const __m128 sum =
          _mm_add_ps(_mm_loadl_pi(_mm_setzero_ps(), entry), _mm_loadl_pi(_mm_setzero_ps(), g));
      _mm_storel_pi(entry, sum);
    }
  };
#pragma GCC unroll 1  // eight entries at a time hide what a loop costs
  for (int i = 0; i < count; ++i) step(i);
}

// Calls take(p, values of points p to p + 15) for all tiles of [first, last) on one level, the next
// one's entries under way while this one's are summed; points from P on are the origin.
template <typename Take>
inline void encode_level(const float* points, int64_t first, int64_t last, int64_t P,
                         const float* table, const WideLevel& level, const Take& take) {
  const float* entries = table + 2 * level.offset;
  __m512 xyz[3], out[2];
  load_points(points, first, P, xyz);
  Lookup now = locate(level, xyz);
  for (int64_t p = first; p < last; p += 16) {
    Lookup next = now;
    if (p + 16 < last) {
      load_points(points, p + 16, P, xyz);
      next = locate(level, xyz);
      fetch(level, entries, next);
    }
    lookup(level, entries, now, out);
    take(p, out);
    now = next;
  }
}

// Adds the cotangents give(p, g0, g1) of points [first, last) to a level's table.
template <typename Give>
inline void add_level(const float* points, int64_t first, int64_t last, const WideLevel& level,
                      float* g_table, const Give& give) {
  float* entries = g_table + 2 * level.offset;
  __m512 xyz[3], g0, g1;
  load_points(points, first, last, xyz);
  Lookup now = locate(level, xyz);
  for (int64_t p = first; p < last; p += 16) {
    Lookup next = now;
    if (p + 16 < last) {
      load_points(points, p + 16, last, xyz);
      next = locate(level, xyz);
      fetch(level, entries, next);
    }
    give(p, g0, g1);
    add(level, entries, now, g0, g1, int(last - p < 16 ? last - p : 16));
    now = next;
  }
}

}  // namespace wide
}  // namespace head3d
#endif
