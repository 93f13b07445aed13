// The C ABI between the kernels and Python (head3d/kernels/library.py). No torch, no std types.
//
// Rules: arrays are raw pointers to contiguous memory, integers int64_t, reals double, so that the caller needs no
// table of argument types. `_f32` and `_f64` name the scalar of the arrays. CPU functions end with `threads`, CUDA
// functions end with `stream`. A function returns 0, or an error code of the CUDA runtime.
// Shapes stand beside each pointer in the legend of STYLE: P points, V vertices, F faces, H W pixels, D grid nodes.
#pragma once
#include <cstdint>

#define HEAD3D_ABI 1
#define HEAD3D_API extern "C" __attribute__((visibility("default")))

HEAD3D_API int64_t head3d_abi_version();

// Mesh in pixels -> nearest triangle per pixel (-1: none), perspective-correct barycentrics, z-depth.
HEAD3D_API int head3d_rasterize(const double* vertices /* V 3: x px, y px, z m */, int64_t V,
                                const int64_t* faces /* F 3 */, int64_t F, int64_t H, int64_t W,
                                int64_t* triangle /* H W */, float* barycentrics /* H W 3 */,
                                float* depth /* H W */, int64_t threads);

// Closest point of a mesh for every point: distance, triangle, barycentrics.
HEAD3D_API int head3d_closest_point(const float* points /* P 3 */, int64_t P,
                                    const float* vertices /* V 3 */, int64_t V,
                                    const int64_t* faces /* F 3 */, int64_t F,
                                    float* distance /* P */, int64_t* triangle /* P */,
                                    float* barycentrics /* P 3 */, int64_t threads);

// Signed distance (m) to the outer shell of a closed mesh at the nodes lo + h * (i, j, k).
HEAD3D_API int head3d_signed_distance(const float* vertices /* V 3 */, int64_t V,
                                      const int64_t* faces /* F 3 */, int64_t F,
                                      const int64_t* N /* 3 */, const double* lo /* 3 */, double h,
                                      double opening, float* distance /* N0 N1 N2 */, int64_t threads);
