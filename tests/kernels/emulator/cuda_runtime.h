// The words of CUDA C++ that our kernels use, for g++ (see fibers.h).
#pragma once
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "fibers.h"

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __launch_bounds__(...)
#define __align__(bytes) __attribute__((aligned(bytes)))
// weak: right for `extern __shared__`, an error for a local array, which would not be shared here
#define __shared__ __attribute__((weak))
#define __restrict__ __restrict

#define threadIdx (::emulator::thread_index)
#define blockIdx (::emulator::block_index)
#define blockDim (::emulator::block_size)
#define gridDim (::emulator::grid_size)

using cudaStream_t = struct CUstream_st*;
enum cudaError_t { cudaSuccess = 0, cudaErrorInvalidValue = 1, cudaErrorLaunchFailure = 719 };
enum cudaDeviceAttr { cudaDevAttrMaxSharedMemoryPerBlockOptin, cudaDevAttrMultiProcessorCount };
enum cudaFuncAttribute { cudaFuncAttributeMaxDynamicSharedMemorySize };

inline cudaError_t cudaGetDevice(int* device) { return *device = 0, cudaSuccess; }
inline cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int) {
  // shared memory of an sm_75, the least of all
  *value = attribute == cudaDevAttrMultiProcessorCount ? emulator::multiprocessors() : 64 * 1024;
  return cudaSuccess;
}
template <typename Kernel>
cudaError_t cudaFuncSetAttribute(Kernel, cudaFuncAttribute, int) {
  return cudaSuccess;
}
inline cudaError_t cudaMemsetAsync(void* to, int value, size_t bytes, cudaStream_t) {
  return std::memset(to, value, bytes), cudaSuccess;
}

struct alignas(8) float2 {
  float x, y;
};
struct alignas(16) float4 {
  float x, y, z, w;
};
inline float2 make_float2(float x, float y) { return {x, y}; }
inline float4 make_float4(float x, float y, float z, float w) { return {x, y, z, w}; }

using std::isfinite;

template <typename To, typename From>
To emulator_bits(From value) {
  static_assert(sizeof(To) == sizeof(From), "the same bits");
  To result;
  std::memcpy(&result, &value, sizeof(To));
  return result;
}
inline unsigned __float_as_uint(float value) { return emulator_bits<unsigned>(value); }
inline float __uint_as_float(unsigned value) { return emulator_bits<float>(value); }
inline int __popc(unsigned value) { return __builtin_popcount(value); }
inline int __ffs(int value) { return __builtin_ffs(value); }
template <typename V>
V __ldg(const V* place) {
  return *place;
}

// Fibers do not interrupt each other: a plain addition is atomic.
template <typename V>
V atomicAdd(V* place, V value) {
  const V old = *place;
  *place = old + value;
  return old;
}
inline void emulator_aligned(const void* place, size_t bytes) {
  if (reinterpret_cast<uintptr_t>(place) % bytes) emulator::fail("a vector is not aligned");
}
inline float2 atomicAdd(float2* place, float2 value) {
  emulator_aligned(place, 8);
  const float2 old = *place;
  *place = {old.x + value.x, old.y + value.y};
  return old;
}
inline float4 atomicAdd(float4* place, float4 value) {
  emulator_aligned(place, 16);
  const float4 old = *place;
  *place = {old.x + value.x, old.y + value.y, old.z + value.z, old.w + value.w};
  return old;
}
template <typename V>
V atomicMin(V* place, V value) {
  const V old = *place;
  if (value < old) *place = value;
  return old;
}
template <typename V>
V atomicMax(V* place, V value) {
  const V old = *place;
  if (old < value) *place = value;
  return old;
}

inline void __syncthreads() { emulator::block_barrier(); }
inline void __syncwarp(unsigned mask = ~0u) { emulator::warp_barrier(mask); }

template <typename V>
V __shfl_sync(unsigned mask, V value, int from) {
  return emulator::exchange(mask, value, [&](auto of) { return of(from & 31); });
}
template <typename V>
V __shfl_xor_sync(unsigned mask, V value, int bits) {
  return __shfl_sync(mask, value, emulator::lane() ^ bits);
}
inline unsigned __ballot_sync(unsigned mask, bool vote) {
  return emulator::exchange(mask, vote, [&](auto of) {
    unsigned votes = 0;
    for (int i = 0; i < 32; ++i)
      if (mask >> i & 1) votes |= unsigned(of(i)) << i;
    return votes;
  });
}
inline bool __any_sync(unsigned mask, bool vote) { return __ballot_sync(mask, vote) != 0; }
inline bool __all_sync(unsigned mask, bool vote) { return __ballot_sync(mask, vote) == mask; }
template <typename V>
unsigned __match_any_sync(unsigned mask, V value) {
  return emulator::exchange(mask, value, [&](auto of) {
    unsigned same = 0;
    for (int i = 0; i < 32; ++i)
      if (mask >> i & 1) same |= unsigned(of(i) == value) << i;
    return same;
  });
}
