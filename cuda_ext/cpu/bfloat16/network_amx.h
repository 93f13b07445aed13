// Small ReLU networks on AMX tiles: bfloat16 products, float32 sums. Units are rows and samples are
// columns, so the encoding of 16 points, pairs of features by 16 samples, is a tile as it stands.
//
// Three layouts of a matrix (units x samples), each of tiles of 16 rows x 64 bytes:
//   V, right side of a product over units:   row = pair of units,   16 samples x 2 units
//   S, left side of a product over samples:  row = unit,            32 samples
//   T, right side of a product over samples: row = pair of samples, 16 units x 2 samples
#pragma once
#if defined(__AMX_BF16__) && defined(__AVX512BF16__) && defined(__linux__)
#include <immintrin.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <vector>

namespace head3d {
namespace amx {

constexpr int kTileBytes = 1024;
constexpr int kSteps = 4;  // pairs of groups whose weight gradients are summed in one go
constexpr int kSamples = 32 * kSteps;  // samples of a block

// Asks the kernel, once per process, for the tiles' registers (ARCH_REQ_XCOMP_PERM,
// XFEATURE_XTILEDATA).
inline bool permitted() {
  static const bool granted = syscall(SYS_arch_prctl, 0x1023, 18) == 0;
  return granted;
}

// Eight tiles of 16 rows x 64 bytes for the calling thread, given back at the end.
struct Tiles {
  Tiles() {
    struct alignas(64) {
      uint8_t palette = 1, start = 0, reserved[14] = {};
      uint16_t bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
      uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
    } config;
    _tile_loadconfig(&config);
  }
  ~Tiles() { _tile_release(); }
};

using Bytes = std::unique_ptr<uint8_t[], decltype(&free)>;

inline Bytes tiles(int64_t count) {
  void* p = nullptr;
  if (posix_memalign(&p, 64, size_t(std::max<int64_t>(count, 1) * kTileBytes)))
    throw std::bad_alloc();
  std::memset(p, 0, size_t(count * kTileBytes));
  return Bytes(static_cast<uint8_t*>(p), &free);
}

enum class Start { kZero, kBias, kSum };

// One block of kM x kN tiles: C = start + A B. Steps are in tiles; bias tiles follow the rows of C.
template <int kM, int kN>
inline void product_block(const uint8_t* a, int64_t a_row, const uint8_t* b, int64_t b_column,
                          int64_t b_inner, int64_t K, const uint8_t* bias, uint8_t* c,
                          int64_t c_row, Start start) {
  const auto at = [](const uint8_t* p, int64_t tile) { return p + tile * kTileBytes; };
  const auto begin = [&](int m, int n) {
    return start == Start::kBias ? at(bias, m) : at(c, m * c_row + n);
  };
  if (start == Start::kZero) {
    _tile_zero(0);
    if (kN > 1) _tile_zero(1);
    if (kM > 1) _tile_zero(2);
    if (kM > 1 && kN > 1) _tile_zero(3);
  } else {
    _tile_loadd(0, begin(0, 0), 64);
    if (kN > 1) _tile_loadd(1, begin(0, 1), 64);
    if (kM > 1) _tile_loadd(2, begin(1, 0), 64);
    if (kM > 1 && kN > 1) _tile_loadd(3, begin(1, 1), 64);
  }
  for (int64_t k = 0; k < K; ++k) {
    _tile_loadd(4, at(a, k), 64);
    _tile_loadd(6, at(b, k * b_inner), 64);
    if (kM > 1) _tile_loadd(5, at(a, a_row + k), 64);
    if (kN > 1) _tile_loadd(7, at(b, b_column + k * b_inner), 64);
    _tile_dpbf16ps(0, 4, 6);
    if (kN > 1) _tile_dpbf16ps(1, 4, 7);
    if (kM > 1) _tile_dpbf16ps(2, 5, 6);
    if (kM > 1 && kN > 1) _tile_dpbf16ps(3, 5, 7);
  }
  _tile_stored(0, c, 64);
  if (kN > 1) _tile_stored(1, c + kTileBytes, 64);
  if (kM > 1) _tile_stored(2, c + c_row * kTileBytes, 64);
  if (kM > 1 && kN > 1) _tile_stored(3, c + (c_row + 1) * kTileBytes, 64);
}

// C (M x N tiles, row by row) = start + A (M x K, row by row) B; tile (k, n) of B is at n *
// b_column + k * b_inner.
inline void product(const uint8_t* a, const uint8_t* b, int64_t b_column, int64_t b_inner,
                    int64_t M, int64_t N, int64_t K, const uint8_t* bias, uint8_t* c, Start start) {
  for (int64_t m = 0; m < M; m += 2) {
    for (int64_t n = 0; n < N; n += 2) {
      const uint8_t* left = a + m * K * kTileBytes;
      const uint8_t* right = b + n * b_column * kTileBytes;
      const uint8_t* first = bias ? bias + m * kTileBytes : nullptr;
      uint8_t* out = c + (m * N + n) * kTileBytes;
      const auto run = [&](auto block) {
        block(left, K, right, b_column, b_inner, K, first, out, N, start);
      };
      if (m + 1 < M && n + 1 < N)
        run(product_block<2, 2>);
      else if (m + 1 < M)
        run(product_block<2, 1>);
      else if (n + 1 < N)
        run(product_block<1, 2>);
      else
        run(product_block<1, 1>);
    }
  }
}

// Transposes 16 x 16 words of 32 bits in registers.
inline void transpose(__m512i r[16]) {
  __m512i t[16];
#pragma GCC unroll 8
  for (int i = 0; i < 16; i += 2) {
    t[i] = _mm512_unpacklo_epi32(r[i], r[i + 1]);
    t[i + 1] = _mm512_unpackhi_epi32(r[i], r[i + 1]);
  }
#pragma GCC unroll 4
  for (int i = 0; i < 16; i += 4) {
    r[i] = _mm512_unpacklo_epi64(t[i], t[i + 2]);
    r[i + 1] = _mm512_unpackhi_epi64(t[i], t[i + 2]);
    r[i + 2] = _mm512_unpacklo_epi64(t[i + 1], t[i + 3]);
    r[i + 3] = _mm512_unpackhi_epi64(t[i + 1], t[i + 3]);
  }
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
    t[i] = _mm512_shuffle_i32x4(r[i], r[i + 4], 0x88);
    t[i + 4] = _mm512_shuffle_i32x4(r[i], r[i + 4], 0xdd);
    t[i + 8] = _mm512_shuffle_i32x4(r[i + 8], r[i + 12], 0x88);
    t[i + 12] = _mm512_shuffle_i32x4(r[i + 8], r[i + 12], 0xdd);
  }
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
    r[i] = _mm512_shuffle_i32x4(t[i], t[i + 8], 0x88);
    r[i + 8] = _mm512_shuffle_i32x4(t[i], t[i + 8], 0xdd);
    r[i + 4] = _mm512_shuffle_i32x4(t[i + 4], t[i + 12], 0x88);
    r[i + 12] = _mm512_shuffle_i32x4(t[i + 4], t[i + 12], 0xdd);
  }
}

inline __m512i every_second(
    int first) {  // of two registers of 16-bit words, the even or the odd ones
  alignas(64) int16_t at[32];
  for (int i = 0; i < 32; ++i) at[i] = int16_t(2 * i + first);
  return _mm512_load_si512(at);
}
inline __m512i interleaved(int half) {  // words of a half of two registers, in turn
  alignas(64) int16_t at[32];
  for (int i = 0; i < 16; ++i)
    at[2 * i] = int16_t(16 * half + i), at[2 * i + 1] = int16_t(32 + 16 * half + i);
  return _mm512_load_si512(at);
}

inline __m512i zipped() {  // words of the two halves of one register, in turn
  alignas(64) int16_t at[32];
  for (int i = 0; i < 16; ++i) at[2 * i] = int16_t(i), at[2 * i + 1] = int16_t(16 + i);
  return _mm512_load_si512(at);
}

// Rows of two groups of 16 samples -> 32 numbers of bfloat16.
inline __m512i narrow(__m512 group0, __m512 group1) {
  return (__m512i)_mm512_cvtne2ps_pbh(group1, group0);
}

}  // namespace amx
}  // namespace head3d
#endif
