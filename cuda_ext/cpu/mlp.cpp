// Hash grid and network in one pass: a thread encodes a few tiles of points and runs the network while they are near.
#include "../abi.h"
#include "hash_grid_encode.h"
#include "mlp_loops.h"

namespace {

using namespace head3d;
constexpr int64_t kChunk = 16384;  // points encoded at once: a level's entries are met several times

template <typename T>
void copy_out(const std::vector<T>& rows, int64_t row, int64_t count, int64_t O, T* out) {
  for (int64_t s = 0; s < count; ++s)
    for (int64_t o = 0; o < O; ++o) out[s * O + o] = rows[s * row + o];
}

// features (P I) are read, or written if points are given; then they may be null.
template <typename T>
int forward(const T* points, int64_t P, const T* table, const std::vector<Level<T>>& levels,
            int64_t F, const Network<T>& net, T* features, T* out, int64_t threads) {
  const int64_t I = net.layers.front().in, O = net.layers.back().out;
#pragma omp parallel num_threads(threads)
  {
    auto hidden = net.tape();
    std::vector<T> scratch(features ? 0 : kChunk * I);
#pragma omp for schedule(static)
    for (int64_t first = 0; first < P; first += kChunk) {
      const int64_t last = std::min(P, first + kChunk);
      T* encoded = features ? features + first * I : scratch.data();
      if (points) encode(points, first, last, table, levels, F, encoded);
      for (int64_t start = first; start < last; start += kBatch) {
        const int64_t count = std::min<int64_t>(kBatch, last - start);
        net.run(encoded + (start - first) * I, count, hidden);
        copy_out(hidden.back(), net.layers.back().out16, count, O, out + start * O);
      }
    }
  }
  return 0;
}

// Gradients of one thread's samples; weights (out x in16), then bias (out16), layer by layer.
template <typename T>
struct Sums {
  std::vector<std::vector<T>> weight, bias;
  explicit Sums(const Network<T>& net) {
    for (const Layer<T>& layer : net.layers) {
      weight.emplace_back(layer.out * layer.in16);
      bias.emplace_back(layer.out16);
    }
  }
};

template <typename T>
void backward_tile(const Network<T>& net, const T* input, int64_t count, const T* g_out,
                   std::vector<std::vector<T>>& hidden, std::vector<T>& g, std::vector<T>& g_next,
                   std::vector<T>& padded_input, Sums<T>& sums, T* g_input) {
  net.run(input, count, hidden);
  const Layer<T>& output = net.layers.back();
  std::fill(g.begin(), g.begin() + count * output.out16, T(0));
  for (int64_t s = 0; s < count; ++s)
    for (int64_t o = 0; o < output.out; ++o) g[s * output.out16 + o] = g_out[s * output.out + o];
  for (int64_t l = int64_t(net.layers.size()) - 1; l >= 0; --l) {
    const Layer<T>& layer = net.layers[l];
    const T* below = input;
    if (l > 0) {
      below = hidden[l - 1].data();
    } else if (layer.in != layer.in16) {
      for (int64_t s = 0; s < count; ++s)
        std::copy(input + s * layer.in, input + (s + 1) * layer.in,
                  padded_input.data() + s * layer.in16);
      below = padded_input.data();
    }
    // g_weight (out x in16) += g^T below
    multiply(g.data(), int64_t(1), layer.out16, layer.out, count, below, layer.in16,
             sums.weight[l].data(), static_cast<const T*>(nullptr), true);
    for (int64_t s = 0; s < count; ++s)
      for (int64_t o = 0; o < layer.out16; ++o) sums.bias[l][o] += g[s * layer.out16 + o];
    if (l == 0 && !g_input) return;
    multiply(g.data(), layer.out16, int64_t(1), count, layer.out, layer.backward.data(),
             layer.in16, g_next.data(), static_cast<const T*>(nullptr), false);
    if (l > 0) net.slope(hidden[l - 1].data(), g_next.data(), count * layer.in16);
    g.swap(g_next);
  }
  const Layer<T>& first = net.layers.front();
  for (int64_t s = 0; s < count; ++s)
    std::copy(g.data() + s * first.in16, g.data() + s * first.in16 + first.in,
              g_input + s * first.in);
}

template <typename T>
int backward(const T* features, int64_t P, const T* flat, const int64_t* shape, const T* g_out,
             T* g_features, T* g_flat, int64_t threads) {
  const Network<T> net(flat, shape);
  const int64_t I = net.layers.front().in, O = net.layers.back().out;
  const std::vector<Sums<T>> zero(1, Sums<T>(net));
  std::vector<Sums<T>> sums(threads, zero[0]);
  // a thread owns a fixed part of the samples: for a number of threads the sum has one order
#pragma omp parallel for schedule(static, 1) num_threads(threads)
  for (int64_t t = 0; t < threads; ++t) {
    auto hidden = net.tape();
    std::vector<T> g(kBatch * net.widest), g_next(kBatch * net.widest);
    std::vector<T> padded_input(kBatch * net.layers.front().in16);
    Sums<T> own(net);  // on this thread's pages
    const int64_t tiles = (P + kBatch - 1) / kBatch;
    for (int64_t tile = tiles * t / threads; tile < tiles * (t + 1) / threads; ++tile) {
      const int64_t start = tile * kBatch, count = std::min<int64_t>(kBatch, P - start);
      backward_tile(net, features + start * I, count, g_out + start * O, hidden, g, g_next,
                    padded_input, own, g_features ? g_features + start * I : nullptr);
    }
    sums[t] = std::move(own);
  }
  for (size_t l = 0; l < net.layers.size(); ++l) {
    const Layer<T>& layer = net.layers[l];
    T* weight = g_flat + layer.first;
    T* bias = weight + layer.out * layer.in;
    for (int64_t o = 0; o < layer.out; ++o) {
      for (int64_t i = 0; i < layer.in; ++i) {
        T total = T(0);
        for (const Sums<T>& part : sums) total += part.weight[l][o * layer.in16 + i];
        weight[o * layer.in + i] = total;
      }
      bias[o] = T(0);
      for (const Sums<T>& part : sums) bias[o] += part.bias[l][o];
    }
  }
  return 0;
}

}  // namespace

#define HEAD3D_MLP(suffix, T)                                                                      \
  int head3d_mlp_fwd_##suffix(const T* features, int64_t P, const T* flat, const int64_t* shape,   \
                              T* out, int64_t threads) {                                           \
    const Network<T> net(flat, shape);                                                             \
    return forward<T>(nullptr, P, nullptr, {}, 0, net, const_cast<T*>(features), out, threads);    \
  }                                                                                                \
  int head3d_mlp_bwd_##suffix(const T* features, int64_t P, const T* flat, const int64_t* shape,   \
                              const T* g_out, T* g_features, T* g_flat, int64_t threads) {         \
    return backward(features, P, flat, shape, g_out, g_features, g_flat, threads);                 \
  }                                                                                                \
  int head3d_encode_mlp_fwd_##suffix(const T* points, int64_t P, const T* table,                   \
                                     const double* scales, const int64_t* layout, int64_t L,       \
                                     int64_t F, int64_t smooth, const T* flat,                     \
                                     const int64_t* shape, T* features, T* out, int64_t threads) { \
    if (!has_features(F)) return 1;                                                                \
    return forward<T>(points, P, table, levels_of<T>(scales, layout, L, smooth), F,                \
                      Network<T>(flat, shape), features, out, threads);                            \
  }
#ifdef HEAD3D_F64  // from float64/mlp.cpp
HEAD3D_MLP(f64, double)
#else
HEAD3D_MLP(f32, float)
#endif
