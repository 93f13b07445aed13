// What this CPU can do at most: multiply-adds on vectors and on AMX tiles, random reads of a table. The
// benchmark sets the kernels against these, measured in the same run.
#include "../../abi.h"
#include "../../math/common.h"
#if defined(__AMX_BF16__) && defined(__linux__)
#include <cpuid.h>
#include <immintrin.h>
#include <sys/syscall.h>
#include <unistd.h>
#define HEAD3D_AMX 1
#endif

namespace {

#if defined(__AVX512F__)
constexpr int kBytes = 64;
#elif defined(__AVX__)
constexpr int kBytes = 32;
#else
constexpr int kBytes = 16;
#endif
constexpr int kLanes = kBytes / sizeof(float);
typedef float Vector __attribute__((vector_size(kBytes)));

// Sums in flight. Two units with a latency of 4 need 8; 12 and the two constants still fit 16 registers.
constexpr int kChains = 12;

float fma_chains(int64_t rounds, float start) {
  Vector sum[kChains];
  for (int c = 0; c < kChains; ++c) sum[c] = Vector{} + (start + float(c));
  const Vector factor = Vector{} + 0.999f, term = Vector{} + 0.001f;  // tends to 1: no denormals
  for (int64_t r = 0; r < rounds; ++r) {
#pragma GCC unroll 12
    for (int c = 0; c < kChains; ++c) sum[c] = sum[c] * factor + term;
  }
  Vector total = sum[0];
  for (int c = 1; c < kChains; ++c) total += sum[c];
  float value = 0;
  for (int i = 0; i < kLanes; ++i) value += total[i];
  return value;
}

#if defined(HEAD3D_AMX)

constexpr int64_t kTileData = 18, kRequestPermission = 0x1023;  // XFEATURE_XTILEDATA, ARCH_REQ_XCOMP_PERM

// The CPU must have tiles (cpuid 7, edx bits 22 and 24) and Linux must lend this process their registers.
bool tiles_allowed() {
  unsigned a, b, c, d;
  if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || !(d >> 22 & 1) || !(d >> 24 & 1)) return false;
  return syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
}

struct alignas(64) TileShapes {
  uint8_t palette = 1, start_row = 0, reserved[14] = {};
  uint16_t row_bytes[16] = {};
  uint8_t rows[16] = {};
};

// Four sums of tiles in flight hide the latency of 52 cycles behind 16 cycles each.
float tile_chains(int64_t rounds) {
  TileShapes shapes;
  for (int t = 0; t < 8; ++t) {
    shapes.row_bytes[t] = 64;
    shapes.rows[t] = 16;
  }
  alignas(64) uint16_t ones[16 * 32];
  alignas(64) float out[16 * 16];
  for (uint16_t& one : ones) one = 0x3f80;  // 1 as bfloat16
  _tile_loadconfig(&shapes);
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
  _tile_loadd(4, ones, 64);
  _tile_loadd(5, ones, 64);
  _tile_loadd(6, ones, 64);
  _tile_loadd(7, ones, 64);
  for (int64_t r = 0; r < rounds; ++r) {
    _tile_dpbf16ps(0, 4, 6);
    _tile_dpbf16ps(1, 4, 7);
    _tile_dpbf16ps(2, 5, 6);
    _tile_dpbf16ps(3, 5, 7);
  }
  float total = 0;
  _tile_stored(0, out, 64);
  total += out[0];
  _tile_stored(1, out, 64);
  total += out[0];
  _tile_stored(2, out, 64);
  total += out[0];
  _tile_stored(3, out, 64);
  total += out[0];
  _tile_release();
  return total;
}

#endif

constexpr int kBlock = 256;  // reads whose places are computed at once
typedef float Pair __attribute__((vector_size(8), aligned(4), may_alias));

double gather_block(const float* table, uint32_t mask, uint32_t first) {
  uint32_t entry[kBlock];
#pragma omp simd
  for (int i = 0; i < kBlock; ++i) {
    uint32_t x = (first + uint32_t(i)) * 2654435761u;
    x ^= x >> 15;
    x *= 2246822519u;
    x ^= x >> 13;
    entry[i] = x & mask;
  }
  Pair sum[8] = {};
  for (int i = 0; i < kBlock; i += 8) {
#pragma GCC unroll 8
    for (int c = 0; c < 8; ++c)
      sum[c] += *reinterpret_cast<const Pair*>(table + 2 * int64_t(entry[i + c]));
  }
  double total = 0;
  for (const Pair& pair : sum) total += double(pair[0]) + double(pair[1]);
  return total;
}

}  // namespace

int head3d_fma_peak(int64_t rounds, double* done, int64_t threads) {
  double total = 0;
#pragma omp parallel for schedule(static, 1) num_threads(threads) reduction(+ : total)
  for (int64_t t = 0; t < threads; ++t) total += fma_chains(rounds, float(t));
  done[0] = double(threads) * double(rounds) * kChains * kLanes * 2;
  done[1] = total;
  return 0;
}

int head3d_amx_peak(int64_t rounds, double* done, int64_t threads) {
  done[0] = done[1] = 0;
#if defined(HEAD3D_AMX)
  if (!tiles_allowed()) return 0;
  double total = 0;
#pragma omp parallel for schedule(static, 1) num_threads(threads) reduction(+ : total)
  for (int64_t t = 0; t < threads; ++t) total += tile_chains(rounds);
  done[0] = double(threads) * double(rounds) * 4 * (16 * 16 * 32 * 2);
  done[1] = total;
#else
  (void)rounds, (void)threads;
#endif
  return 0;
}

int head3d_gather_peak(const float* table, int64_t E, int64_t reads, double* sum, int64_t threads) {
  if (E <= 0 || (E & (E - 1)) || E > (int64_t(1) << 32) || reads % kBlock) return 1;
  double total = 0;
#pragma omp parallel for schedule(static) num_threads(threads) reduction(+ : total)
  for (int64_t b = 0; b < reads / kBlock; ++b)
    total += gather_block(table, uint32_t(E - 1), uint32_t(b * kBlock));
  *sum = total;
  return 0;
}
