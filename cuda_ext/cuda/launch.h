// Launching: one thread per item, on the caller's stream; the error code goes back to Python.
//
// One source, three compilers. nvcc compiles a .cu whole. Where there is no nvcc, NVRTC compiles the kernels and a C++
// compiler the launchers, which then call the driver (driver.h); Python joins the two (head3d/kernels/nvrtc.py). So a
// .cu file NAME.cu is written like this:
//
//   #include "launch.h"                                    // only math/*.h, rtc/* and CUDA's own headers beside it
//   namespace head3d::NAME {                               // not anonymous: NVRTC finds kernels by their names
//   struct Settings { ... };                               // what both sides need
//   template <typename T> __global__ void forward(...);    // every kernel declared, for the launchers
//   #if HEAD3D_DEVICE
//   ... __device__ functions and the kernels               // nvcc and NVRTC
//   #endif
//   }  // namespace head3d::NAME
//   #if HEAD3D_HOST
//   ... functions of abi.h, calling HEAD3D_LAUNCH          // nvcc and the C++ compiler
//   #endif
//
// Host code calls of CUDA's runtime only what driver.h has. Which instantiations NVRTC makes is known from the
// launchers: each HEAD3D_LAUNCH that is compiled asks for its kernel.
#pragma once

#if defined(__CUDACC_RTC__)
#define HEAD3D_DEVICE 1
#define HEAD3D_HOST 0
#elif defined(__CUDACC__) || defined(HEAD3D_EMULATOR)  // the emulator of tests/kernels
#define HEAD3D_DEVICE 1
#define HEAD3D_HOST 1
#else
#define HEAD3D_DEVICE 0
#define HEAD3D_HOST 1
#endif

#include <cstdint>

#if HEAD3D_HOST
#include "../abi.h"
#if HEAD3D_DEVICE
#include <cuda_runtime.h>
#else
#include "driver.h"
#endif
#endif

namespace head3d {

#if HEAD3D_DEVICE
__device__ inline int64_t item() { return int64_t(blockIdx.x) * blockDim.x + threadIdx.x; }

// The block's dynamic shared memory.
template <typename T>
__device__ T* shared_memory() {
  extern __shared__ __align__(128) unsigned char dynamic_shared[];
  return reinterpret_cast<T*>(dynamic_shared);
}
#endif

#if HEAD3D_HOST
constexpr int kThreads = 256;

inline dim3 blocks_for(int64_t items, int64_t rows = 1) {
  return dim3(unsigned((items + kThreads - 1) / kThreads), unsigned(rows));
}

// abi.h calls the last argument `threads`; for CUDA it is the stream.
inline cudaStream_t stream_of(int64_t handle) { return reinterpret_cast<cudaStream_t>(handle); }

// Of the current device; for blocks that stay and take work until there is none.
inline int multiprocessors() {
  int device = 0, count = 1;
  cudaGetDevice(&device);
  cudaDeviceGetAttribute(&count, cudaDevAttrMultiProcessorCount, device);
  return count;
}

constexpr int kSharedWithoutAsking = 48 * 1024;  // bytes a block may have without opting in

#if HEAD3D_DEVICE
template <typename... Parameters, typename... Arguments>
cudaError_t launch(void (*kernel)(Parameters...), dim3 grid, dim3 block, int shared,
                   [[maybe_unused]] cudaStream_t stream, const Arguments&... arguments) {
  if (shared > kSharedWithoutAsking) {
    const cudaError_t error = cudaFuncSetAttribute(
        kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, shared);
    if (error != cudaSuccess) return error;
  }
#if defined(HEAD3D_EMULATOR)
  return cudaError_t(
      emulator::run(grid, block, size_t(shared), [&] { kernel(Parameters(arguments)...); }));
#else
  kernel<<<grid, block, shared, stream>>>(Parameters(arguments)...);
  return cudaGetLastError();
#endif
}
#define HEAD3D_LAUNCHER(kernel) head3d::launch(kernel,
#else
#define HEAD3D_LAUNCHER(kernel) head3d::Kernel<kernel>::launch(
#endif
#endif  // HEAD3D_HOST

}  // namespace head3d

// With a grid, a block and dynamic shared memory (bytes) of one's own; template kernels in parentheses.
#define HEAD3D_LAUNCH_AS(kernel, grid, block, shared, stream, ...)                            \
  do {                                                                                        \
    const cudaError_t error = HEAD3D_LAUNCHER(kernel) grid, block, shared,                    \
                                              head3d::stream_of(stream), __VA_ARGS__);        \
    if (error != cudaSuccess) return int(error);                                              \
  } while (0)

// An empty grid is an error to CUDA, and nothing to do to us.
#define HEAD3D_LAUNCH(kernel, items, rows, stream, ...)                                       \
  do {                                                                                        \
    if ((items) > 0 && (rows) > 0)                                                            \
      HEAD3D_LAUNCH_AS(kernel, head3d::blocks_for(items, rows), head3d::kThreads, 0, stream,  \
                       __VA_ARGS__);                                                          \
  } while (0)
