// Launchers without nvcc: loads images into the current context and launches by the driver, found at run time.
#include "driver.h"

#include <dlfcn.h>

#include <map>
#include <mutex>
#include <utility>
#include <vector>

#include "../abi.h"

namespace head3d {
namespace {

// The driver's functions used here (CUDA driver API, version 11 on); all return a CUresult.
struct Driver {
  int (*context)(void** context);
  int (*device)(int* device);
  int (*attribute)(int* value, int attribute, int device);
  int (*load)(void** module, const void* image);
  int (*find)(void** function, void* module, const char* symbol);
  int (*allow)(void* function, int attribute, int value);
  int (*launch)(void* function, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned,
                unsigned shared, cudaStream_t stream, void** arguments, void** extra);
  int (*fill)(uintptr_t to, unsigned char value, size_t bytes, cudaStream_t stream);
  bool whole = true;

  template <typename F>
  void bind(void* library, F& function, const char* name) {
    function = library ? reinterpret_cast<F>(dlsym(library, name)) : nullptr;
    whole = whole && function;
  }
  Driver() {
    void* library = dlopen("libcuda.so.1", RTLD_NOW);
    bind(library, context, "cuCtxGetCurrent");
    bind(library, device, "cuCtxGetDevice");
    bind(library, attribute, "cuDeviceGetAttribute");
    bind(library, load, "cuModuleLoadData");
    bind(library, find, "cuModuleGetFunction");
    bind(library, allow, "cuFuncSetAttribute");
    bind(library, launch, "cuLaunchKernel");
    bind(library, fill, "cuMemsetD8Async");
  }
};

const Driver& driver() {
  static const Driver one;
  return one;
}

constexpr int kMostDynamicShared = 8;  // CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES
constexpr int kSharedWithoutAsking = 48 * 1024;

std::vector<Entry*>& entries() {
  static std::vector<Entry*> all;
  return all;
}

// The function of a kernel in the current context; images are loaded once per context.
int function_of(const Entry& entry, void** function) {
  static std::mutex mutex;
  static std::map<std::pair<void*, const void*>, void*> modules;
  static std::map<std::pair<void*, const Entry*>, void*> functions;
  void* context = nullptr;
  if (const int error = driver().context(&context)) return error;
  const std::lock_guard<std::mutex> lock(mutex);
  void*& known = functions[{context, &entry}];
  if (!known) {
    void*& module = modules[{context, entry.image}];
    if (!module) {
      if (const int error = driver().load(&module, entry.image)) return error;
    }
    if (const int error = driver().find(&known, module, entry.symbol)) return error;
  }
  *function = known;
  return 0;
}

}  // namespace

Entry::Entry(const char* text) : spelling(text) { entries().push_back(this); }

cudaError_t launch_entry(const Entry& entry, dim3 grid, dim3 block, int shared,
                         cudaStream_t stream, void** arguments) {
  if (!driver().whole || !entry.image) return cudaErrorNotFound;
  void* function = nullptr;
  int error = function_of(entry, &function);
  if (!error && shared > kSharedWithoutAsking)
    error = driver().allow(function, kMostDynamicShared, shared);
  if (!error)
    error = driver().launch(function, grid.x, grid.y, grid.z, block.x, block.y, block.z,
                            unsigned(shared), stream, arguments, nullptr);
  return cudaError_t(error);
}

}  // namespace head3d

cudaError_t cudaGetDevice(int* device) {
  return head3d::driver().whole ? cudaError_t(head3d::driver().device(device)) : cudaErrorNotFound;
}
cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int device) {
  if (!head3d::driver().whole) return cudaErrorNotFound;
  return cudaError_t(head3d::driver().attribute(value, attribute, device));
}
cudaError_t cudaMemsetAsync(void* to, int value, size_t bytes, cudaStream_t stream) {
  if (!head3d::driver().whole) return cudaErrorNotFound;
  return cudaError_t(head3d::driver().fill(reinterpret_cast<uintptr_t>(to),
                                           static_cast<unsigned char>(value), bytes, stream));
}

// For Python: which kernels there are, and what NVRTC made of them (kept by the caller for good).
HEAD3D_API int64_t head3d_kernel_count() { return int64_t(head3d::entries().size()); }
HEAD3D_API const char* head3d_kernel_spelling(int64_t i) { return head3d::entries()[i]->spelling; }
HEAD3D_API void head3d_kernel_image(int64_t i, const void* image, const char* symbol) {
  head3d::entries()[i]->image = image;
  head3d::entries()[i]->symbol = symbol;
}
