// Launching: one thread per item, on the caller's stream; the error code goes back to Python.
#pragma once
#include <cuda_runtime.h>

#include "../abi.h"

namespace head3d {

constexpr int kThreads = 256;

inline dim3 blocks_for(int64_t items, int64_t rows = 1) {
  return dim3(unsigned((items + kThreads - 1) / kThreads), unsigned(rows));
}

// abi.h calls the last argument `threads`; for CUDA it is the stream.
inline cudaStream_t stream_of(int64_t handle) { return reinterpret_cast<cudaStream_t>(handle); }

__device__ inline int64_t item() { return int64_t(blockIdx.x) * blockDim.x + threadIdx.x; }

}  // namespace head3d

// An empty grid is an error to CUDA, and nothing to do to us.
#define HEAD3D_LAUNCH(kernel, items, rows, stream, ...)                                       \
  do {                                                                                        \
    if ((items) > 0 && (rows) > 0)                                                            \
      kernel<<<head3d::blocks_for(items, rows), head3d::kThreads, 0,                          \
               head3d::stream_of(stream)>>>(__VA_ARGS__);                                     \
    const cudaError_t error = cudaGetLastError();                                             \
    if (error != cudaSuccess) return int(error);                                              \
  } while (0)
