// Small dense layers over tiles of samples, a register to a run of a row: C = A B with A's numbers broadcast, so
// values, gradients of inputs and gradients of weights all read memory in order and nothing is transposed.
#pragma once
#include <algorithm>
#include <vector>

#include "../math/mlp.h"

namespace head3d {

constexpr int kBatch = 32;  // samples of a tile: all its rows stay in L1

// A register, and how many sums of them are in flight: enough to hide a multiply-add's latency, no more than there are
// registers. Wider vectors than the machine's are taken apart through memory, 30 times slower.
#if defined(__AVX512F__)
constexpr int kBytes = 64, kWide = 2, kWideRows = 8, kNarrowRows = 8;
#elif defined(__AVX__)
constexpr int kBytes = 32, kWide = 2, kWideRows = 4, kNarrowRows = 8;
#else
constexpr int kBytes = 16, kWide = 2, kWideRows = 4, kNarrowRows = 8;
#endif

template <typename T>
struct Lane {
  typedef T type __attribute__((vector_size(kBytes), aligned(alignof(T)), may_alias));
};
template <typename T>
using Row = typename Lane<T>::type;
template <typename T>
constexpr int kRow = kBytes / sizeof(T);  // numbers in a register

template <typename T>
HEAD3D_HD Row<T> load(const T* p) {
  return *reinterpret_cast<const Row<T>*>(p);
}
template <typename T>
HEAD3D_HD void store(T* p, Row<T> v) {
  *reinterpret_cast<Row<T>*>(p) = v;
}

// Widths are padded to 16, a whole number of registers on every machine.
HEAD3D_HD int64_t padded(int64_t n) { return (n + 15) / 16 * 16; }

// C (kR x kV registers) = start + A (kR x K) B (K x ldb), A[r][k] at a[r * row + k * column].
template <int kR, int kV, typename T>
HEAD3D_HD void multiply_block(const T* a, int64_t row, int64_t column, int64_t K, const T* b,
                              int64_t ldb, T* c, int64_t ldc, const T* bias, bool add) {
  Row<T> sum[kR][kV];
  for (int r = 0; r < kR; ++r)
    for (int v = 0; v < kV; ++v)
      sum[r][v] = add ? load(c + r * ldc + v * kRow<T>) : bias ? load(bias + v * kRow<T>) : Row<T>{};
  for (int64_t k = 0; k < K; ++k) {
    Row<T> right[kV];
    for (int v = 0; v < kV; ++v) right[v] = load(b + k * ldb + v * kRow<T>);
    for (int r = 0; r < kR; ++r) {
      const T left = a[r * row + k * column];
      for (int v = 0; v < kV; ++v) sum[r][v] += left * right[v];
    }
  }
  for (int r = 0; r < kR; ++r)
    for (int v = 0; v < kV; ++v) store(c + r * ldc + v * kRow<T>, sum[r][v]);
}

template <int kR, int kV, typename T>
HEAD3D_HD void multiply_columns(const T* a, int64_t row, int64_t column, int64_t M, int64_t K,
                                const T* b, int64_t N, T* c, const T* bias, bool add) {
  int64_t m = 0;
  for (; m + kR <= M; m += kR)
    multiply_block<kR, kV>(a + m * row, row, column, K, b, N, c + m * N, N, bias, add);
  for (; m < M; ++m)
    multiply_block<1, kV>(a + m * row, row, column, K, b, N, c + m * N, N, bias, add);
}

// C (M x N) = [C | bias] + A (M x K) B (K x N); N is a multiple of 16.
template <typename T>
HEAD3D_ONCE void multiply(const T* a, int64_t row, int64_t column, int64_t M, int64_t K, const T* b,
                          int64_t N, T* c, const T* bias, bool add) {
  for (int64_t n = 0; n < N;) {
    const int64_t left = (N - n) / kRow<T>;
    const T* offset = bias ? bias + n : nullptr;
    if (left >= kWide) {
      multiply_columns<kWideRows, kWide>(a, row, column, M, K, b + n, N, c + n, offset, add);
      n += kWide * kRow<T>;
    } else {
      multiply_columns<kNarrowRows, 1>(a, row, column, M, K, b + n, N, c + n, offset, add);
      n += kRow<T>;
    }
  }
}

// Weights of one layer, copied so that both directions read rows: forward (in x out16), backward (out x in16).
template <typename T>
struct Layer {
  int64_t in, out, in16, out16, first;  // first: place of its weights in the flat parameters
  std::vector<T> forward, backward, bias;
};

template <typename T>
struct Network {
  std::vector<Layer<T>> layers;
  Activation activation;
  int64_t parameters, widest;

  // shape: inputs, hidden width, hidden layers, outputs, activation; weights (out x in), then bias, layer by layer.
  Network(const T* flat, const int64_t* shape)
      : activation(Activation(shape[4])), parameters(0), widest(0) {
    for (int64_t l = 0; l <= shape[2]; ++l) {
      Layer<T> layer;
      layer.in = l == 0 ? shape[0] : shape[1];
      layer.out = l == shape[2] ? shape[3] : shape[1];
      layer.in16 = padded(layer.in);
      layer.out16 = padded(layer.out);
      layer.first = parameters;
      layer.forward.assign(layer.in * layer.out16, T(0));
      layer.backward.assign(layer.out * layer.in16, T(0));
      layer.bias.assign(layer.out16, T(0));
      const T* weight = flat + parameters;
      for (int64_t o = 0; o < layer.out; ++o) {
        for (int64_t i = 0; i < layer.in; ++i) {
          layer.forward[i * layer.out16 + o] = weight[o * layer.in + i];
          layer.backward[o * layer.in16 + i] = weight[o * layer.in + i];
        }
        layer.bias[o] = weight[layer.out * layer.in + o];
      }
      parameters += layer.out * (layer.in + 1);
      widest = std::max(widest, std::max(layer.in16, layer.out16));
      layers.push_back(std::move(layer));
    }
  }

  void activate(T* values, int64_t count) const {
    if (activation == Activation::kRelu) {
      for (int64_t i = 0; i < count; ++i) values[i] = most(values[i], T(0));
    } else {
      for (int64_t i = 0; i < count; ++i) values[i] = softplus(values[i]);
    }
  }

  void slope(const T* values, T* g, int64_t count) const {
    if (activation == Activation::kRelu) {
      for (int64_t i = 0; i < count; ++i) g[i] = values[i] > T(0) ? g[i] : T(0);
    } else {
      for (int64_t i = 0; i < count; ++i) g[i] *= softplus_slope(values[i]);
    }
  }

  // Values of every layer for `count` samples of `input` (count x in); hidden[l] (count x out16).
  void run(const T* input, int64_t count, std::vector<std::vector<T>>& hidden) const {
    const T* left = input;
    int64_t row = layers[0].in;
    for (size_t l = 0; l < layers.size(); ++l) {
      const Layer<T>& layer = layers[l];
      T* out = hidden[l].data();
      multiply(left, row, int64_t(1), count, layer.in, layer.forward.data(), layer.out16, out,
               layer.bias.data(), false);
      if (l + 1 < layers.size()) activate(out, count * layer.out16);
      left = out;
      row = layer.out16;
    }
  }

  std::vector<std::vector<T>> tape() const {
    std::vector<std::vector<T>> hidden;
    for (const Layer<T>& layer : layers) hidden.emplace_back(kBatch * layer.out16);
    return hidden;
  }
};

}  // namespace head3d
