// A network's layers over a tile of points, their values in shared memory, channel by channel: for
// the kernels that run a network in float32 or float64. A channel's row is one longer, so that both
// ways of reading meet no bank twice.
#pragma once
#include "mlp.h"

namespace head3d {

#if HEAD3D_DEVICE

constexpr int kRows = 4;  // outputs that a thread computes at once: a value is read once for all

// next (out channels) = activation(weight below + bias), for the tile.
template <typename T>
__device__ void run_layer(const Network& net, int l, const T* flat, int tile, const T* below,
                          T* next) {
  const int in = inputs_of(net, l), out = outputs_of(net, l), row = tile + 1;
  const T* weight = flat + first_of(net, l);
  const T* bias = weight + out * in;
  const int p = threadIdx.x % tile, groups = blockDim.x / tile;
  for (int o = kRows * (threadIdx.x / tile); o < out; o += kRows * groups) {
    T sum[kRows];
    const T* from[kRows];
    for (int r = 0; r < kRows; ++r) {
      const int safe = least(o + r, out - 1);
      sum[r] = bias[safe];
      from[r] = weight + safe * in;
    }
    for (int i = 0; i < in; ++i) {
      const T value = below[i * row + p];
      for (int r = 0; r < kRows; ++r) sum[r] += from[r][i] * value;
    }
    for (int r = 0; r < kRows && o + r < out; ++r)
      next[(o + r) * row + p] = l < net.layers ? activated(net, sum[r]) : sum[r];
  }
  __syncthreads();
}

// From rows in memory (count x width) to channels in shared memory; zeros after the last point.
template <typename T>
__device__ void load_rows(const T* rows, int64_t count, int width, int tile, T* channels) {
  for (int k = threadIdx.x; k < tile * width; k += blockDim.x) {
    const int p = k / width, i = k % width;
    channels[i * (tile + 1) + p] = p < count ? rows[int64_t(p) * width + i] : T(0);
  }
}
template <typename T>
__device__ void store_rows(const T* channels, int64_t count, int width, int tile, T* rows) {
  for (int k = threadIdx.x; k < tile * width; k += blockDim.x) {
    const int p = k / width, i = k % width;
    if (p < count) rows[int64_t(p) * width + i] = channels[i * (tile + 1) + p];
  }
}

#endif  // HEAD3D_DEVICE
#if HEAD3D_HOST

// Points of a tile, so that its channels fit shared memory; 0 if not even one does.
inline int tile_for(int channels, size_t size) {
  int tile = 32;
  while (tile > 0 && size_t(channels) * (tile + 1) * size > kSharedWithoutAsking) tile /= 2;
  return tile;
}

#endif  // HEAD3D_HOST

}  // namespace head3d
