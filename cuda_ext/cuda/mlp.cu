// Networks in float32 and float64, alone or behind the hash grid: a block takes a few points through all layers, their
// activations in shared memory, channel by channel. Lanes are points, so that weights are broadcast.
#include "levels.h"
#include "mlp_tile.h"

namespace head3d::mlp {

// Values of `points` points; a channel's row is one longer, so that both ways of reading meet no bank twice.
template <int F, typename T>
__global__ void forward(const T* points, T* features, int64_t P, const T* table, Levels<T> levels,
                        const T* flat, Network net, int tile, T* out);
template <typename T>
__global__ void backward(const T* features, int64_t P, const T* flat, Network net, int tile,
                         const T* g_out, T* g_features, T* parts);
template <typename T>
__global__ void add_parts(const T* parts, int64_t count, int64_t N, T* sum);

#if HEAD3D_DEVICE

template <int F, typename T>
__global__ void forward(const T* points, T* features, int64_t P, const T* table, Levels<T> levels,
                        const T* flat, Network net, int tile, T* out) {
  const int64_t start = int64_t(blockIdx.x) * tile, count = least(int64_t(tile), P - start);
  const int widest = most(net.inputs, most(net.hidden, net.outputs));
  T* below = shared_memory<T>();
  T* next = below + widest * (tile + 1);
  if constexpr (F == 0) {
    load_rows(features + start * net.inputs, count, net.inputs, tile, below);
  } else {
    for (int k = threadIdx.x; k < tile * levels.count; k += blockDim.x) {
      const int p = k % tile, l = k / tile;
      T sum[F] = {};
      if (p < count) encode_level<F>(levels, l, table, points + 3 * (start + p), sum);
      for (int f = 0; f < F; ++f) below[(l * F + f) * (tile + 1) + p] = sum[f];
    }
  }
  __syncthreads();
  if (F > 0 && features)
    store_rows(below, count, net.inputs, tile, features + start * net.inputs);
  for (int l = 0; l <= net.layers; ++l) {
    run_layer(net, l, flat, tile, below, next);
    T* swap = below;
    below = next;
    next = swap;
  }
  store_rows(below, count, net.outputs, tile, out + start * net.outputs);
}

// own += gradients of the layer's weights and bias, from the tile's cotangents g and values below.
template <typename T>
__device__ void add_weights(const Network& net, int l, int tile, const T* g, const T* below,
                            bool first, T* own) {
  const int in = inputs_of(net, l), out = outputs_of(net, l), row = tile + 1;
  own += first_of(net, l);
  for (int k = threadIdx.x; k < (out + kRows - 1) / kRows * in; k += blockDim.x) {
    const int o = kRows * (k / in), i = k % in;
    T sum[kRows] = {};
    for (int p = 0; p < tile; ++p) {
      const T value = below[i * row + p];
      for (int r = 0; r < kRows; ++r) sum[r] += g[least(o + r, out - 1) * row + p] * value;
    }
    for (int r = 0; r < kRows && o + r < out; ++r) {
      T* place = own + (o + r) * in + i;
      *place = first ? sum[r] : *place + sum[r];
    }
  }
  for (int o = threadIdx.x; o < out; o += blockDim.x) {
    T sum = 0;
    for (int p = 0; p < tile; ++p) sum += g[o * row + p];
    T* place = own + out * in + o;
    *place = first ? sum : *place + sum;
  }
}

// The values below become their own cotangents: weight^T g times the slope there.
template <typename T>
__device__ void go_below(const Network& net, int l, const T* flat, int tile, const T* g, T* below) {
  const int in = inputs_of(net, l), out = outputs_of(net, l), row = tile + 1;
  const T* weight = flat + first_of(net, l);
  const int p = threadIdx.x % tile, groups = blockDim.x / tile;
  for (int i = kRows * (threadIdx.x / tile); i < in; i += kRows * groups) {
    T sum[kRows] = {};
    for (int o = 0; o < out; ++o) {
      const T value = g[o * row + p];
      for (int r = 0; r < kRows; ++r) sum[r] += weight[o * in + least(i + r, in - 1)] * value;
    }
    for (int r = 0; r < kRows && i + r < in; ++r) {
      T* place = below + (i + r) * row + p;
      *place = l > 0 ? sum[r] * slope_of(net, *place) : sum[r];
    }
  }
}

template <typename T>
__global__ void backward(const T* features, int64_t P, const T* flat, Network net, int tile,
                         const T* g_out, T* g_features, T* parts) {
  T* input = shared_memory<T>();
  T* hidden = input + net.inputs * (tile + 1);
  T* last = hidden + net.layers * net.hidden * (tile + 1);
  T* own = parts + int64_t(blockIdx.x) * first_of(net, net.layers + 1);
  const auto values = [&](int l) { return l < 0 ? input : hidden + l * net.hidden * (tile + 1); };
  const int64_t tiles = (P + tile - 1) / tile;
  for (int64_t t = blockIdx.x; t < tiles; t += gridDim.x) {
    const int64_t start = t * tile, count = least(int64_t(tile), P - start);
    __syncthreads();  // the tile before this one has been read
    load_rows(features + start * net.inputs, count, net.inputs, tile, input);
    load_rows(g_out + start * net.outputs, count, net.outputs, tile, last);
    __syncthreads();
    for (int l = 0; l < net.layers; ++l) run_layer(net, l, flat, tile, values(l - 1), values(l));
    for (int l = net.layers; l >= 0; --l) {
      const T* g = values(l);
      add_weights(net, l, tile, g, values(l - 1), t == blockIdx.x, own);
      if (l == 0 && !g_features) break;
      __syncthreads();
      go_below(net, l, flat, tile, g, values(l - 1));
      __syncthreads();
    }
    if (g_features)
      store_rows(input, count, net.inputs, tile, g_features + start * net.inputs);
  }
}

template <typename T>
__global__ void add_parts(const T* parts, int64_t count, int64_t N, T* sum) {
  const int64_t k = item();
  if (k >= N) return;
  T total = 0;
  for (int64_t i = 0; i < count; ++i) total += parts[i * N + k];
  sum[k] = total;
}

#endif  // HEAD3D_DEVICE

}  // namespace head3d::mlp

#if HEAD3D_HOST

using namespace head3d;

namespace {

template <int F, typename T>
int run_forward(const T* points, T* features, int64_t P, const T* table, const Levels<T>& levels,
                const T* flat, const Network& net, T* out, int64_t stream) {
  const int channels = 2 * most(net.inputs, most(net.hidden, net.outputs));
  const int tile = tile_for(channels, sizeof(T));
  if (tile == 0) return int(cudaErrorInvalidValue);
  if (P == 0) return 0;
  HEAD3D_LAUNCH_AS((mlp::forward<F, T>), dim3(unsigned((P + tile - 1) / tile)), dim3(kThreads),
                   int(channels * (tile + 1) * sizeof(T)), stream, points, features, P, table,
                   levels, flat, net, tile, out);
  return 0;
}

// g_flat: the result, then parts() of its size as scratch.
template <typename T>
int run_backward(const T* features, int64_t P, const T* flat, const Network& net, const T* g_out,
                 T* g_features, T* g_flat, int64_t stream) {
  const int channels = net.inputs + net.layers * net.hidden + net.outputs;
  const int tile = tile_for(channels, sizeof(T));
  if (tile == 0) return int(cudaErrorInvalidValue);
  const int64_t N = first_of(net, net.layers + 1), blocks = least((P + tile - 1) / tile, parts());
  if (blocks > 0)
    HEAD3D_LAUNCH_AS(mlp::backward<T>, dim3(unsigned(blocks)), dim3(kThreads),
                     int(channels * (tile + 1) * sizeof(T)), stream, features, P, flat, net, tile,
                     g_out, g_features, g_flat + N);
  HEAD3D_LAUNCH(mlp::add_parts<T>, N, 1, stream, g_flat + N, blocks, N, g_flat);
  return 0;
}

}  // namespace

int64_t head3d_mlp_parts() { return parts(); }

#define HEAD3D_MLP(suffix, T)                                                                    \
  int head3d_mlp_fwd_##suffix(const T* features, int64_t P, const T* flat, const int64_t* shape, \
                              T* out, int64_t stream) {                                          \
    return run_forward<0, T>(nullptr, const_cast<T*>(features), P, nullptr, Levels<T>{}, flat,   \
                             network_of(shape), out, stream);                                    \
  }                                                                                              \
  int head3d_mlp_bwd_##suffix(const T* features, int64_t P, const T* flat, const int64_t* shape, \
                              const T* g_out, T* g_features, T* g_flat, int64_t stream) {        \
    return run_backward(features, P, flat, network_of(shape), g_out, g_features, g_flat, stream); \
  }                                                                                              \
  int head3d_encode_mlp_fwd_##suffix(                                                            \
      const T* points, int64_t P, const T* table, const double* scales, const int64_t* layout,   \
      int64_t L, int64_t F, int64_t smooth, const T* flat, const int64_t* shape, T* features,    \
      T* out, int64_t stream) {                                                                  \
    if (L > kLevels) return int(cudaErrorInvalidValue);                                          \
    const Levels<T> levels = levels_of<T>(scales, layout, L, smooth);                            \
    HEAD3D_BY_FEATURES(F, run_forward, points, features, P, table, levels, flat,                 \
                       network_of(shape), out, stream)                                           \
  }
HEAD3D_MLP(f32, float)
HEAD3D_MLP(f64, double)

#endif  // HEAD3D_HOST
