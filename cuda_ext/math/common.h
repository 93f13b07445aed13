// What every formula header shares: the host/device macro and the few vector words they are written in.
#pragma once
#include <cstdint>

#if defined(__CUDACC__)
#define HEAD3D_HD __host__ __device__ __forceinline__
#else
#define HEAD3D_HD inline __attribute__((always_inline))
#endif

// Functions that are compiled once, not into every loop that calls them: for code that is long
// beside what a call costs.
#define HEAD3D_ONCE inline __attribute__((noinline))

// Functions that only the launching side calls. NVRTC knows no host: there they are device functions nobody calls.
#if defined(__CUDACC_RTC__)
#define HEAD3D_HOST_ONLY __device__ inline
#else
#define HEAD3D_HOST_ONLY inline
#endif

namespace head3d {

template <typename T>
struct Vec3 {
  T x, y, z;
};

template <typename T>
HEAD3D_HD Vec3<T> operator+(Vec3<T> a, Vec3<T> b) {
  return {a.x + b.x, a.y + b.y, a.z + b.z};
}
template <typename T>
HEAD3D_HD Vec3<T> operator-(Vec3<T> a, Vec3<T> b) {
  return {a.x - b.x, a.y - b.y, a.z - b.z};
}
template <typename T>
HEAD3D_HD Vec3<T> operator*(Vec3<T> a, T s) {
  return {a.x * s, a.y * s, a.z * s};
}
template <typename T>
HEAD3D_HD T dot(Vec3<T> a, Vec3<T> b) {
  return a.x * b.x + a.y * b.y + a.z * b.z;
}
template <typename T>
HEAD3D_HD Vec3<T> cross(Vec3<T> a, Vec3<T> b) {
  return {a.y * b.z - a.z * b.y, a.z * b.x - a.x * b.z, a.x * b.y - a.y * b.x};
}
// Written with ?: so that compilers turn them into min/max instructions in vector loops.
template <typename T>
HEAD3D_HD T least(T a, T b) {
  return a < b ? a : b;
}
template <typename T>
HEAD3D_HD T most(T a, T b) {
  return a > b ? a : b;
}
template <typename T>
HEAD3D_HD T clamp(T value, T lo, T hi) {
  return least(most(value, lo), hi);
}

}  // namespace head3d
