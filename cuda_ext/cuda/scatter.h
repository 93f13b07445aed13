// Gradients of a table: lanes of a warp whose points lie in one cell add up before they touch memory. Samples of a ray
// are neighbours in a warp, so coarse levels need a fraction of their atomics, and rarely wait for each other's.
#pragma once
#include "levels.h"

namespace head3d {

#if HEAD3D_DEVICE

constexpr unsigned kWarp = 0xffffffffu;

__device__ inline void add_to(double* place, const double* value, int count) {
  for (int i = 0; i < count; ++i) atomicAdd(place + i, value[i]);
}

// Of sm_90 on, two or four numbers are one atomic.
__device__ inline void add_to(float* place, const float* value, int count) {
#if __CUDA_ARCH__ >= 900
  if (count % 4 == 0) {
    for (int i = 0; i < count; i += 4)
      atomicAdd(reinterpret_cast<float4*>(place + i),
                make_float4(value[i], value[i + 1], value[i + 2], value[i + 3]));
    return;
  }
  if (count == 2) {
    atomicAdd(reinterpret_cast<float2*>(place), make_float2(value[0], value[1]));
    return;
  }
#endif
  for (int i = 0; i < count; ++i) atomicAdd(place + i, value[i]);
}

// Lanes of the warp in the same cell; the lane alone where cells have too many digits for the key.
template <typename T>
__device__ unsigned cell_mates(const Levels<T>& levels, int l, const Corners<T>& at, bool active) {
  constexpr int kDigits = 21;  // three fit 64 bits
  using Key = unsigned long long;
  const Key key = Key(at.cell[0]) << 2 * kDigits | Key(at.cell[1]) << kDigits | Key(at.cell[2]);
  const bool fits = levels.shape[l].resolution < 1u << kDigits;
  const unsigned mates = __match_any_sync(kWarp, active ? key : ~Key(0));
  return fits && active ? mates : 1u << (threadIdx.x & 31);
}

// g_table += weight * g at the eight corners. All lanes of the warp call it; inactive ones add nothing.
template <int F, typename T>
__device__ void scatter_level(const Levels<T>& levels, int l, const Corners<T>& at, const T g[F],
                              bool active, T* g_table) {
  const int lane = threadIdx.x & 31;
  const unsigned mates = cell_mates(levels, l, at, active);
  T sum[8][F];
#pragma unroll
  for (int c = 0; c < 8; ++c) {
    const T weight = corner_weight(c, at.w[0], at.w[1], at.w[2]);
    for (int f = 0; f < F; ++f) sum[c][f] = active ? weight * g[f] : T(0);
  }
  // A tree over the mates, after E. Westphal (Voting and Shuffling to Optimize Atomic Operations, 2015): in each turn
  // a lane takes over the sum of its next mate, and those of odd rank drop out. The first mate ends with all.
  unsigned after = mates & 0xfffffffeu << lane;
  unsigned rank = __popc(mates & ((1u << lane) - 1));
  while (__any_sync(kWarp, after != 0)) {
    const int next = __ffs(int(after)) - 1;
#pragma unroll
    for (int c = 0; c < 8; ++c) {
      for (int f = 0; f < F; ++f) {
        const T other = __shfl_sync(kWarp, sum[c][f], next & 31);
        if (next >= 0) sum[c][f] += other;
      }
    }
    after &= __ballot_sync(kWarp, (rank & 1) == 0);
    rank >>= 1;
  }
  if (!active || __ffs(int(mates)) - 1 != lane) return;
#pragma unroll
  for (int c = 0; c < 8; ++c) add_to(g_table + entry_of(levels, l, at, c) * F, sum[c], F);
}

#endif  // HEAD3D_DEVICE

}  // namespace head3d
