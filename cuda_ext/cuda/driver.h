// Launchers without nvcc: the words of CUDA that launch.h and the .cu files use, on the driver's interface.
//
// A kernel is only declared here; Kernel<k> knows its spelling, and NVRTC is told to compile what is spelled. Python
// hands the compiled image and the kernel's symbol back before the first launch.
#pragma once
#include <cstddef>
#include <cstdint>

#define __global__
#define __device__
#define __host__
#define __launch_bounds__(...)

enum cudaError_t { cudaSuccess = 0, cudaErrorInvalidValue = 1, cudaErrorNotFound = 500 };
enum cudaDeviceAttr { cudaDevAttrMaxSharedMemoryPerBlockOptin = 97, cudaDevAttrMultiProcessorCount = 16 };
using cudaStream_t = struct CUstream_st*;

struct dim3 {
  unsigned x, y, z;
  constexpr dim3(unsigned width = 1, unsigned height = 1, unsigned depth = 1)
      : x(width), y(height), z(depth) {}
};

cudaError_t cudaGetDevice(int* device);
cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int device);
cudaError_t cudaMemsetAsync(void* to, int value, size_t bytes, cudaStream_t stream);

// Outside head3d, so that the compiler spells names in full.
template <auto K>
const char* head3d_spelling_of() {
  return __PRETTY_FUNCTION__;
}

namespace head3d {

// A kernel that the launchers use.
struct Entry {
  const char* spelling;           // "... [with auto K = head3d::marching::march]"
  const void* image = nullptr;    // cubin or PTX
  const char* symbol = nullptr;   // in the image
  explicit Entry(const char* text);
};

cudaError_t launch_entry(const Entry& entry, dim3 grid, dim3 block, int shared,
                         cudaStream_t stream, void** arguments);

template <auto K>
struct Kernel;

template <typename... Parameters, void (*K)(Parameters...)>
struct Kernel<K> {
  static inline Entry entry{head3d_spelling_of<K>()};
  // by value: what arrives has the kernel's own types, so its bytes are what the kernel reads
  static cudaError_t launch(dim3 grid, dim3 block, int shared, cudaStream_t stream,
                            Parameters... arguments) {
    void* pointers[] = {&arguments...};
    return launch_entry(entry, grid, block, shared, stream, pointers);
  }
};

}  // namespace head3d
