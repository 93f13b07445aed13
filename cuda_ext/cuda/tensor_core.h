// Layers on tensor cores. A warp owns 32 points: 32 rows of 16-bit numbers per layer in shared memory, which it alone
// writes, so layers follow each other without waiting for the block. Sums are float32, from wmma fragments through a
// small float32 patch in shared memory: CUDA does not tell which lane holds which element of a fragment.
//
// 16-bit numbers are bfloat16, or float16 on GPUs before sm_80, which have no bfloat16.
#pragma once
#include "mlp.h"

#if HEAD3D_DEVICE
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <mma.h>
#endif

namespace head3d {

constexpr int kRowsOfWarp = 32, kPatchRow = 20, kPatch = 16 * kPatchRow;  // floats

HEAD3D_HD int padded16(int n) { return (n + 15) / 16 * 16; }

// Numbers from row to row: 8 more than needed put the 16 rows of a tile into different banks.
HEAD3D_HD int row_of(int width) { return padded16(width) + 8; }

// Place of a layer's padded weights (out16 x in16) among all; with its bias (out16) behind them, if wanted.
HEAD3D_HD int padded_first(const Network& net, int l, bool bias) {
  int first = 0;
  for (int k = 0; k < l; ++k)
    first += padded16(outputs_of(net, k)) * (padded16(inputs_of(net, k)) + (bias ? 1 : 0));
  return first;
}

#if HEAD3D_DEVICE

namespace wmma = nvcuda::wmma;

template <bool kFirst, typename A, typename B>
struct Choice {
  using type = A;
};
template <typename A, typename B>
struct Choice<false, A, B> {
  using type = B;
};

#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ < 800
using Half = __half;
constexpr bool kNarrow = true;  // float16 ends at 65504, and cotangents must be scaled
__device__ inline Half to_half(float x) { return __float2half(clamp(x, -65504.f, 65504.f)); }
__device__ inline float to_float(Half x) { return __half2float(x); }
#else
using Half = __nv_bfloat16;
constexpr bool kNarrow = false;
__device__ inline Half to_half(float x) { return __float2bfloat16(x); }
__device__ inline float to_float(Half x) { return __bfloat162float(x); }
#endif

using Sums = wmma::fragment<wmma::accumulator, 16, 16, 16, float>;
template <typename Layout>
using Left = wmma::fragment<wmma::matrix_a, 16, 16, 16, Half, Layout>;
template <typename Layout>
using Right = wmma::fragment<wmma::matrix_b, 16, 16, 16, Half, Layout>;

// Calls emit(row, column, value) for the warp's 32 rows of left (32 x depth) times right (depth x width).
// kTransposed: element (k, n) of right lies at n * right_row + k, else at k * right_row + n.
template <bool kTransposed, typename Emit>
__device__ void multiply_rows(const Half* left, int left_row, const Half* right, int right_row,
                              int depth, int width, float* patch, const Emit& emit) {
  using Layout = typename Choice<kTransposed, wmma::col_major, wmma::row_major>::type;
  const int lane = threadIdx.x & 31;
  for (int n = 0; n < width; n += 16) {
    Sums sums[2];
    wmma::fill_fragment(sums[0], 0.f);
    wmma::fill_fragment(sums[1], 0.f);
#pragma unroll 4
    for (int k = 0; k < depth; k += 16) {
      Right<Layout> b;
      wmma::load_matrix_sync(b, right + (kTransposed ? n * right_row + k : k * right_row + n),
                             right_row);
      for (int r = 0; r < 2; ++r) {
        Left<wmma::row_major> a;
        wmma::load_matrix_sync(a, left + 16 * r * left_row + k, left_row);
        wmma::mma_sync(sums[r], a, b, sums[r]);
      }
    }
    for (int r = 0; r < 2; ++r) {
      wmma::store_matrix_sync(patch, sums[r], kPatchRow, wmma::mem_row_major);
      __syncwarp();
      for (int e = lane; e < 256; e += 32)
        emit(16 * r + e / 16, n + e % 16, patch[e / 16 * kPatchRow + e % 16]);
      __syncwarp();
    }
  }
}

// own (out16 x in16) += g^T below over all rows of the block; tiles are dealt out to its warps. The sums wait in
// memory between the block's tiles of points: 7168 weights are 28 KB, which stay in L2.
__device__ inline void add_products(const Half* g, int g_row, int out16, const Half* below,
                                    int below_row, int in16, int rows, bool first, float* own) {
  const int across = in16 / 16, tiles = out16 / 16 * across;
  for (int tile = threadIdx.x / 32; tile < tiles; tile += blockDim.x / 32) {
    const int o = tile / across * 16, i = tile % across * 16;
    Sums sums;
    if (first)
      wmma::fill_fragment(sums, 0.f);
    else
      wmma::load_matrix_sync(sums, own + o * in16 + i, in16, wmma::mem_row_major);
#pragma unroll 2
    for (int p = 0; p < rows; p += 16) {
      Left<wmma::col_major> a;
      Right<wmma::row_major> b;
      wmma::load_matrix_sync(a, g + p * g_row + o, g_row);
      wmma::load_matrix_sync(b, below + p * below_row + i, below_row);
      wmma::mma_sync(sums, a, b, sums);
    }
    wmma::store_matrix_sync(own + o * in16 + i, sums, in16, wmma::mem_row_major);
  }
}

#endif  // HEAD3D_DEVICE

}  // namespace head3d
