// Layers of a network as AMX tiles, and one thread's work on a block of samples.
#pragma once
#include "network_amx.h"
#if defined(__AMX_BF16__) && defined(__AVX512BF16__) && defined(__linux__)
#include <new>

namespace head3d {
namespace amx {

inline uint16_t bf16(float value) {  // to nearest, ties to even; weights are finite
  uint32_t bits;
  std::memcpy(&bits, &value, 4);
  return uint16_t((bits + 0x7fffu + (bits >> 16 & 1)) >> 16);
}

struct AmxLayer {
  int64_t in, out, first;            // first: place of its weights in the flat parameters
  int64_t in16, in32, out16, out32;  // tiles of 16 and of 32 units
  Bytes forward, backward,
      bias;  // A of values (out16 x in32), A of gradients (in16 x out32), start of values

  AmxLayer(const float* flat, int64_t in, int64_t out, int64_t first)
      : in(in),
        out(out),
        first(first),
        in16((in + 15) / 16),
        in32((in + 31) / 32),
        out16((out + 15) / 16),
        out32((out + 31) / 32),
        forward(tiles(out16 * in32)),
        backward(tiles(in16 * out32)),
        bias(tiles(out16)) {
    const float* weight = flat + first;
    auto* a = reinterpret_cast<uint16_t*>(forward.get());
    auto* b = reinterpret_cast<uint16_t*>(backward.get());
    auto* start = reinterpret_cast<float*>(bias.get());
    for (int64_t o = 0; o < out; ++o) {
      for (int64_t i = 0; i < in; ++i) {
        const uint16_t w = bf16(weight[o * in + i]);
        a[((o / 16 * in32 + i / 32) * 16 + o % 16) * 32 + i % 32] = w;
        b[((i / 16 * out32 + o / 32) * 16 + i % 16) * 32 + o % 32] = w;
      }
      std::fill_n(start + o * 16, 16, weight[out * in + o]);
    }
  }
};

// shape: inputs, hidden width, hidden layers, outputs.
inline std::vector<AmxLayer> layers_of(const float* flat, const int64_t* shape) {
  std::vector<AmxLayer> layers;
  int64_t first = 0;
  for (int64_t l = 0; l <= shape[2]; ++l) {
    const int64_t in = l == 0 ? shape[0] : shape[1], out = l == shape[2] ? shape[3] : shape[1];
    layers.emplace_back(flat, in, out, first);
    first += out * (in + 1);
  }
  return layers;
}

// Place of unit u of group n in the float tiles that `product` writes for two groups.
inline int64_t row_of(int64_t u, int n) { return u / 16 * 512 + n * 256 + u % 16 * 16; }

// Float tiles of two groups -> V of both and S, each if wanted; kRelu activates them first, in
// place.
template <bool kRelu>
inline void pack(float* c, int64_t units16, int64_t units32, uint8_t* v, uint8_t* s) {
  const __m512i low = interleaved(0), high = interleaved(1);
  const auto row = [&](int64_t u, int n) {
    __m512 value = _mm512_load_ps(c + row_of(u, n));
    if (kRelu) {
      value = _mm512_max_ps(value, _mm512_setzero_ps());
      _mm512_store_ps(c + row_of(u, n), value);
    }
    return value;
  };
  for (int64_t u = 0; u < units16 * 16; u += 2) {
    const __m512i even = narrow(row(u, 0), row(u, 1)), odd = narrow(row(u + 1, 0), row(u + 1, 1));
    if (s) {
      _mm512_store_si512(s + u * 64, even);
      _mm512_store_si512(s + u * 64 + 64, odd);
    }
    if (v) {
      _mm512_store_si512(v + u * 32, _mm512_permutex2var_epi16(even, low, odd));
      _mm512_store_si512(v + units32 * kTileBytes + u * 32,
                         _mm512_permutex2var_epi16(even, high, odd));
    }
  }
}

// S -> T, tile by tile.
inline void turn(const uint8_t* s, int64_t units16, uint8_t* t) {
  for (int64_t tile = 0; tile < units16; ++tile) {
    __m512i r[16];
    for (int i = 0; i < 16; ++i) r[i] = _mm512_load_si512(s + tile * kTileBytes + i * 64);
    transpose(r);
    for (int i = 0; i < 16; ++i) _mm512_store_si512(t + tile * kTileBytes + i * 64, r[i]);
  }
}

// V of two groups -> S.
inline void unpack(const uint8_t* v, int64_t units32, uint8_t* s) {
  const __m512i even = every_second(0), odd = every_second(1);
  for (int64_t p = 0; p < units32 * 16; ++p) {
    const __m512i a = _mm512_load_si512(v + p * 64),
                  b = _mm512_load_si512(v + units32 * kTileBytes + p * 64);
    _mm512_store_si512(s + p * 128, _mm512_permutex2var_epi16(a, even, b));
    _mm512_store_si512(s + p * 128 + 64, _mm512_permutex2var_epi16(a, odd, b));
  }
}

// What one thread works with, and its sums of gradients: of weights (float tiles), of biases (16
// lanes a unit).
struct Worker {
  const std::vector<AmxLayer>& layers;
  // per layer: values (float tiles of two groups), the same as V; S of the gradients and T of the
  // inputs of a block
  std::vector<Bytes> value, v, s_g, t, weight_sum, bias_sum;
  Bytes g{nullptr, &free}, g_v{nullptr, &free}, s{nullptr, &free};

  explicit Worker(const std::vector<AmxLayer>& layers, bool gradients) : layers(layers) {
    int64_t widest = 0;
    for (const AmxLayer& layer : layers) {
      widest = std::max({widest, layer.in32, layer.out32});
      value.push_back(tiles(2 * layer.out16));
      v.push_back(tiles(2 * layer.out32));
      if (!gradients) continue;
      s_g.push_back(tiles(kSteps * layer.out16));
      t.push_back(tiles(kSteps * layer.in16));
      weight_sum.push_back(tiles(layer.out16 * layer.in16));
      bias_sum.push_back(tiles(layer.out16));
    }
    g = tiles(4 * widest);
    g_v = tiles(2 * widest);
    s = tiles(2 * widest);
  }

  // Values of two groups up to layer `last`; x is V of the inputs.
  void run(const uint8_t* x, size_t last) {
    for (size_t l = 0; l <= last; ++l) {
      const AmxLayer& layer = layers[l];
      product(layer.forward.get(), l ? v[l - 1].get() : x, layer.in32, 1, layer.out16, 2,
              layer.in32, layer.bias.get(), value[l].get(), Start::kBias);
      if (l + 1 < layers.size())
        pack<true>(reinterpret_cast<float*>(value[l].get()), layer.out16, layer.out32, v[l].get(),
                   nullptr);
    }
  }

  // Gradients of two groups, step `step` of the block. On entry g holds those of the outputs as
  // float tiles; on exit those of the inputs, if wanted.
  void back(const uint8_t* x, int64_t step, bool inputs) {
    const size_t last = layers.size() - 1;
    if (last > 0) run(x, last - 1);
    auto* gradient = reinterpret_cast<float*>(g.get());
    for (size_t l = last + 1; l-- > 0;) {
      const AmxLayer& layer = layers[l];
      unpack(l ? v[l - 1].get() : x, layer.in32, s.get());
      turn(s.get(), layer.in16, t[l].get() + step * layer.in16 * kTileBytes);
      if (l < last) mask(gradient, reinterpret_cast<const float*>(value[l].get()), layer.out16);
      add_biases(gradient, layer.out16, reinterpret_cast<float*>(bias_sum[l].get()));
      // S tiles of a unit's steps follow each other: tile (m, step) of the left side
      pack<false>(gradient, layer.out16, layer.out32, g_v.get(), s.get());
      for (int64_t m = 0; m < layer.out16; ++m)
        std::memcpy(s_g[l].get() + (m * kSteps + step) * kTileBytes, s.get() + m * kTileBytes,
                    kTileBytes);
      clear_odd(layer);
      if (l > 0 || inputs)
        product(layer.backward.get(), g_v.get(), layer.out32, 1, layer.in16, 2, layer.out32,
                nullptr, g.get(), Start::kZero);
    }
  }

  // Adds what the steps of a block have gathered to the sums of the weights.
  void add_block() {
    for (size_t l = 0; l < layers.size(); ++l) {
      const AmxLayer& layer = layers[l];
      product(s_g[l].get(), t[l].get(), 1, layer.in16, layer.out16, layer.in16, kSteps, nullptr,
              weight_sum[l].get(), Start::kSum);
    }
  }

 private:
  static void mask(float* gradient, const float* value, int64_t units16) {
    for (int64_t i = 0; i < units16 * 512; i += 16) {
      const __mmask16 on =
          _mm512_cmp_ps_mask(_mm512_load_ps(value + i), _mm512_setzero_ps(), _CMP_GT_OQ);
      _mm512_store_ps(gradient + i, _mm512_maskz_load_ps(on, gradient + i));
    }
  }

  static void add_biases(const float* gradient, int64_t units16, float* sum) {
    for (int64_t u = 0; u < units16 * 16; ++u) {
      const __m512 both = _mm512_add_ps(_mm512_load_ps(gradient + row_of(u, 0)),
                                        _mm512_load_ps(gradient + row_of(u, 1)));
      _mm512_store_ps(sum + u * 16, _mm512_add_ps(_mm512_load_ps(sum + u * 16), both));
    }
  }

  // g_v is shared by layers: with an odd number of 16-unit tiles the second half of its last tile
  // must be zero.
  void clear_odd(const AmxLayer& layer) {
    if (layer.out16 % 2 == 0) return;
    for (int64_t n = 0; n < 2; ++n)
      std::memset(g_v.get() + ((n + 1) * layer.out32 - 1) * kTileBytes + kTileBytes / 2, 0,
                  kTileBytes / 2);
  }
};

}  // namespace amx
}  // namespace head3d
#endif
