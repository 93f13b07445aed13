// Hash grid and network in one pass on AVX-512 and AMX: bfloat16 between the layers, float32
// tables, sums and gradients. The features of a tile of 16 points are kept for the backward pass as
// the network reads them (V of network_amx.h).
#include "../../abi.h"
#include "../hash_grid_wide.h"
#include "amx_layers.h"

#if defined(__AMX_BF16__) && defined(__AVX512BF16__) && defined(__linux__)

namespace {

using namespace head3d;
using amx::kTileBytes;
using wide::WideLevel;

constexpr int64_t kChunk =
    32768;  // points encoded at once: a level's entries are met several times while near

std::vector<WideLevel> wide_levels(const double* scales, const int64_t* layout, int64_t L,
                                   int64_t smooth) {
  std::vector<WideLevel> levels;
  for (int64_t l = 0; l < L; ++l) {
    const int64_t resolution = layout[3 * l], entries = layout[3 * l + 2];
    const bool hashed = resolution * resolution * resolution > entries;
    levels.push_back({{uint32_t(resolution), uint32_t(entries), hashed},
                      float(scales[l]),
                      layout[3 * l + 1],
                      smooth != 0});
  }
  return levels;
}

// Points [first, last) -> V; `x` holds in32 tiles for each 16 points from `first` on.
void encode(const float* points, int64_t first, int64_t last, int64_t P, const float* table,
            const std::vector<WideLevel>& levels, int64_t in32, uint8_t* x) {
  const int64_t used = int64_t(levels.size()) * 64, bytes = in32 * kTileBytes;
  for (int64_t tile = 0; used < bytes && tile < (last - first) / 16; ++tile)
    std::memset(x + tile * bytes + used, 0,
                bytes - used);  // 0 weights times what lay there could be NaN
  for (size_t l = 0; l < levels.size(); ++l) {
    uint8_t* row = x + l * 64;
    wide::encode_level(points, first, last, P, table, levels[l], [&](int64_t, const __m512 out[2]) {
      _mm512_store_si512(row, amx::narrow(out[0], out[1]));
      row += bytes;
    });
  }
}

int64_t groups_of(int64_t P) { return (P + 31) / 32 * 2; }  // of 16 points, an even number

void forward(const float* points, int64_t P, const float* table,
             const std::vector<WideLevel>& levels, const std::vector<amx::AmxLayer>& layers,
             uint8_t* tape, float* out, int64_t threads) {
  const int64_t in32 = layers.front().in32, O = layers.back().out, bytes = in32 * kTileBytes;
  const int64_t chunk = std::min(kChunk, std::max<int64_t>(32, (P / threads + 31) / 32 * 32));
#pragma omp parallel num_threads(threads)
  {
    const amx::Tiles registers;
    amx::Worker worker(layers, false);
    const amx::Bytes own = amx::tiles(tape ? 0 : chunk / 16 * in32);
#pragma omp for schedule(dynamic)
    for (int64_t first = 0; first < P; first += chunk) {
      const int64_t last = std::min(P, first + chunk);
      uint8_t* x = tape ? tape + first / 16 * bytes : own.get();
      encode(points, first, (last + 31) / 32 * 32, P, table, levels, in32, x);
      for (int64_t p = first; p < last; p += 32, x += 2 * bytes) {
        worker.run(x, layers.size() - 1);
        const auto* rows = reinterpret_cast<const float*>(worker.value.back().get());
        for (int64_t m = 0; m < layers.back().out16; ++m) {
          const auto columns = __mmask16((1u << std::min<int64_t>(16, O - 16 * m)) - 1);
          for (int64_t n = 0; n < 2; ++n) {
            __m512i r[16];
            for (int i = 0; i < 16; ++i)
              r[i] = _mm512_load_si512(rows + (2 * m + n) * 256 + i * 16);
            amx::transpose(r);
            const int64_t start = p + 16 * n, count = std::min<int64_t>(16, last - start);
            for (int64_t i = 0; i < count; ++i)
              _mm512_mask_storeu_epi32(out + (start + i) * O + 16 * m, columns, r[i]);
          }
        }
      }
    }
  }
}

// Cotangents of the outputs of two groups as float tiles; zero past the end.
void load_outputs(const float* g_out, int64_t p, int64_t P, const amx::AmxLayer& layer, float* g) {
  for (int64_t m = 0; m < layer.out16; ++m) {
    const auto columns = __mmask16((1u << std::min<int64_t>(16, layer.out - 16 * m)) - 1);
    for (int64_t n = 0; n < 2; ++n) {
      __m512i r[16];
      for (int64_t i = 0; i < 16; ++i) {
        const int64_t at = p + 16 * n + i;
        r[i] = at < P ? _mm512_maskz_loadu_epi32(columns, g_out + at * layer.out + 16 * m)
                      : _mm512_setzero_si512();
      }
      amx::transpose(r);
      for (int i = 0; i < 16; ++i) _mm512_store_si512(g + (2 * m + n) * 256 + i * 16, r[i]);
    }
  }
}

// The network's part. g_x, one row of 16 (feature 0, feature 1) words a level and group, level by
// level, may be null.
void backward_network(const std::vector<amx::AmxLayer>& layers, const uint8_t* tape, int64_t P,
                      const float* g_out, float* g_flat, uint8_t* g_x, int64_t L, int64_t threads) {
  const int64_t bytes = layers.front().in32 * kTileBytes, groups = groups_of(P);
  std::vector<std::unique_ptr<amx::Worker>> workers(threads);
#pragma omp parallel for schedule(static, 1) num_threads(threads)
  for (int64_t thread = 0; thread < threads; ++thread) {
    const amx::Tiles registers;
    workers[thread] = std::make_unique<amx::Worker>(layers, true);
    amx::Worker& worker = *workers[thread];
    auto* g = reinterpret_cast<float*>(worker.g.get());
    // a thread owns a fixed part of the samples: for a number of threads the sums have one order
    const int64_t blocks = (P + amx::kSamples - 1) / amx::kSamples;
    for (int64_t block = blocks * thread / threads; block < blocks * (thread + 1) / threads;
         ++block) {
      for (int64_t step = 0; step < amx::kSteps; ++step) {
        const int64_t p = block * amx::kSamples + 32 * step;
        if (p >= P) {  // nothing is left: the gradients of the steps before stay in place, so these
                       // must be zero
          for (size_t l = 0; l < layers.size(); ++l)
            for (int64_t m = 0; m < layers[l].out16; ++m)
              std::memset(worker.s_g[l].get() + (m * amx::kSteps + step) * kTileBytes, 0,
                          kTileBytes);
          continue;
        }
        load_outputs(g_out, p, P, layers.back(), g);
        worker.back(tape + p / 16 * bytes, step, g_x != nullptr);
        if (!g_x) continue;
        for (int64_t l = 0; l < L; ++l)
          for (int n = 0; n < 2; ++n) {
            const __m512 g0 = _mm512_load_ps(g + amx::row_of(2 * l, n));
            const __m512 g1 = _mm512_load_ps(g + amx::row_of(2 * l + 1, n));
            const __m512i words = _mm512_permutexvar_epi16(amx::zipped(), amx::narrow(g0, g1));
            _mm512_storeu_si512(g_x + ((l * groups) + p / 16 + n) * 64, words);
          }
      }
      worker.add_block();
    }
  }
  for (size_t l = 0; l < layers.size(); ++l) {
    const amx::AmxLayer& layer = layers[l];
    float* weight = g_flat + layer.first;
    for (int64_t o = 0; o < layer.out; ++o) {
      for (int64_t i = 0; i < layer.in; ++i) {
        float total = 0;
        for (const auto& worker : workers)
          total += reinterpret_cast<const float*>(
              worker->weight_sum[l]
                  .get())[(o / 16 * layer.in16 + i / 16) * 256 + o % 16 * 16 + i % 16];
        weight[o * layer.in + i] = total;
      }
      float total = 0;
      for (const auto& worker : workers)
        for (int lane = 0; lane < 16; ++lane)
          total += reinterpret_cast<const float*>(worker->bias_sum[l].get())[o * 16 + lane];
      weight[layer.out * layer.in + o] = total;
    }
  }
}

// The table's part: a level belongs to one thread, so no two threads meet and the sum has one
// order.
void backward_table(const float* points, int64_t P, const std::vector<WideLevel>& levels,
                    const uint8_t* g_x, float* g_table, int64_t threads) {
  const int64_t L = int64_t(levels.size()), groups = groups_of(P);
#pragma omp parallel for schedule(dynamic) num_threads(threads)
  for (int64_t order = 0; order < L; ++order) {
    const int64_t l = L - 1 - order;  // the large levels first
    const uint8_t* row = g_x + l * groups * 64;
    wide::add_level(points, 0, P, levels[l], g_table, [&](int64_t, __m512& g0, __m512& g1) {
      const __m512i words = _mm512_loadu_si512(row);
      g0 = _mm512_castsi512_ps(_mm512_slli_epi32(words, 16));
      const __m512i upper = _mm512_set1_epi32(int32_t(0xffff0000u));
      g1 = _mm512_castsi512_ps(_mm512_and_si512(words, upper));
      row += 64;
    });
  }
}

bool supported(int64_t L, int64_t F, const int64_t* shape) {
  return F == 2 && shape[0] == 2 * L && shape[4] == 0;
}

}  // namespace

int64_t head3d_has_bf16() { return amx::permitted() ? 1 : 0; }

int head3d_encode_mlp_fwd_bf16(const float* points, int64_t P, const float* table,
                               const double* scales, const int64_t* layout, int64_t L, int64_t F,
                               int64_t smooth, const float* flat, const int64_t* shape,
                               uint8_t* tape, float* out, int64_t threads) {
  if (!supported(L, F, shape) || !amx::permitted()) return 1;
  forward(points, P, table, wide_levels(scales, layout, L, smooth), amx::layers_of(flat, shape),
          tape, out, threads);
  return 0;
}

int head3d_encode_mlp_bwd_bf16(const float* points, int64_t P, const double* scales,
                               const int64_t* layout, int64_t L, int64_t F, int64_t smooth,
                               const float* flat, const int64_t* shape, const uint8_t* tape,
                               const float* g_out, uint8_t* g_x, float* g_table, float* g_flat,
                               int64_t threads) {
  if (!supported(L, F, shape) || !amx::permitted()) return 1;
  backward_network(amx::layers_of(flat, shape), tape, P, g_out, g_flat, g_x, L, threads);
  if (g_table && g_x && P > 0)
    backward_table(points, P, wide_levels(scales, layout, L, smooth), g_x, g_table, threads);
  return 0;
}

#else  // no tiles: the caller takes float32

int64_t head3d_has_bf16() { return 0; }
int head3d_encode_mlp_fwd_bf16(const float*, int64_t, const float*, const double*, const int64_t*,
                               int64_t, int64_t, int64_t, const float*, const int64_t*, uint8_t*,
                               float*, int64_t) {
  return 1;
}
int head3d_encode_mlp_bwd_bf16(const float*, int64_t, const double*, const int64_t*, int64_t,
                               int64_t, int64_t, const float*, const int64_t*, const uint8_t*,
                               const float*, uint8_t*, float*, float*, int64_t) {
  return 1;
}

#endif
