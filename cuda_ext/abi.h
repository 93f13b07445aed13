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

// Antialiasing of silhouettes in a picture of that mesh; twins: the corner 3 f + k that
// faces the same edge from across, -1 at a border. g_image is written, g_vertices is added to.
#define HEAD3D_DECLARE_ANTIALIAS(suffix, T)                                                      \
  HEAD3D_API int head3d_antialias_fwd_##suffix(                                                  \
      const T* image /* H W C */, int64_t C, const int64_t* triangle /* H W */,                  \
      const float* depth /* H W */, int64_t H, int64_t W, const T* vertices /* V 3 */,           \
      const int64_t* faces /* F 3 */, const int64_t* twins /* F 3 */, T* out /* H W C */,     \
      int64_t threads);                                                                          \
  HEAD3D_API int head3d_antialias_bwd_##suffix(                                                  \
      const T* image, int64_t C, const int64_t* triangle, const float* depth, int64_t H,         \
      int64_t W, const T* vertices, const int64_t* faces, const int64_t* twins,               \
      const T* g_out /* H W C */, T* g_image /* H W C */, T* g_vertices /* V 3 */,               \
      int64_t threads);
HEAD3D_DECLARE_ANTIALIAS(f32, float)
HEAD3D_DECLARE_ANTIALIAS(f64, double)

// Closest point of a mesh for every point: distance, triangle, barycentrics.
HEAD3D_API int head3d_closest_point(const float* points /* P 3 */, int64_t P,
                                    const float* vertices /* V 3 */, int64_t V,
                                    const int64_t* faces /* F 3 */, int64_t F,
                                    float* distance /* P */, int64_t* triangle /* P */,
                                    float* barycentrics /* P 3 */, int64_t threads);

// The same on CUDA, in a tree that the CPU library builds: part j of 2^l at level l <= depth holds the faces
// order[F j / 2^l] up to order[F (j + 1) / 2^l], its box (low, high) is number 2^l + j.
HEAD3D_API int head3d_face_tree(const float* vertices /* V 3 */, int64_t V,
                                const int64_t* faces /* F 3 */, int64_t F, int64_t depth,
                                int32_t* order /* F */, float* boxes /* 2^(depth+1) 6 */,
                                int64_t threads);
HEAD3D_API int head3d_closest_point_in_tree(
    const float* points /* P 3 */, int64_t P, const float* vertices /* V 3 */, int64_t V,
    const int64_t* faces /* F 3 */, int64_t F, int64_t depth, const int32_t* order /* F */,
    const float* boxes /* 2^(depth+1) 6 */, float* distance /* P */, int64_t* triangle /* P */,
    float* barycentrics /* P 3 */, int64_t threads);

// Signed distance (m) to the outer shell of a closed mesh at the nodes lo + h * (i, j, k).
HEAD3D_API int head3d_signed_distance(const float* vertices /* V 3 */, int64_t V,
                                      const int64_t* faces /* F 3 */, int64_t F,
                                      const int64_t* N /* 3 */, const double* lo /* 3 */, double h,
                                      double opening, float* distance /* N0 N1 N2 */, int64_t threads);

// Hash grid; layout holds resolution, first entry, number of entries of each level; smooth 0 or 1.
// g_table is added to, g_points is written; either may be null. Returns 1 if F is not 1, 2, 4 or 8.
#define HEAD3D_DECLARE_HASH_GRID(suffix, T)                                                     \
  HEAD3D_API int head3d_hash_grid_fwd_##suffix(                                                 \
      const T* points /* P 3, unit cube */, int64_t P, const T* table /* E F */,                \
      const double* scales /* L */, const int64_t* layout /* L 3 */, int64_t L, int64_t F,      \
      int64_t smooth, T* out /* P L F */, int64_t threads);                                     \
  HEAD3D_API int head3d_hash_grid_bwd_##suffix(                                                 \
      const T* points, int64_t P, const T* table, const double* scales, const int64_t* layout,  \
      int64_t L, int64_t F, int64_t smooth, const T* g_out /* P L F */, T* g_table /* E F */,   \
      T* g_points /* P 3 */, int64_t threads);
HEAD3D_DECLARE_HASH_GRID(f32, float)
HEAD3D_DECLARE_HASH_GRID(f64, double)

// Adam on the numbers whose gradient is not zero; the others keep their value and their moments.
HEAD3D_API int head3d_adam_touched(float* table /* E F */, int64_t E, int64_t F,
                                   float* gradient /* E F */, float* first /* E F */,
                                   float* second /* E F */, double rate, double beta1,
                                   double beta2, double correction2, double epsilon,
                                   int64_t threads);

// Trilinear lookup; g_grid is added to, g_points is written; either may be null.
#define HEAD3D_DECLARE_GRID_SAMPLE(suffix, T)                                                   \
  HEAD3D_API int head3d_grid_sample3_fwd_##suffix(                                              \
      const T* grid /* X Y Z C */, int64_t X, int64_t Y, int64_t Z, int64_t C,                  \
      const T* points /* P 3, unit cube */, int64_t P, T* out /* P C */, int64_t threads);      \
  HEAD3D_API int head3d_grid_sample3_bwd_##suffix(                                              \
      const T* grid, int64_t X, int64_t Y, int64_t Z, int64_t C, const T* points, int64_t P,    \
      const T* g_out /* P C */, T* g_grid /* X Y Z C */, T* g_points /* P 3 */,                 \
      int64_t threads);
HEAD3D_DECLARE_GRID_SAMPLE(f32, float)
HEAD3D_DECLARE_GRID_SAMPLE(f64, double)

// Packed samples -> weights (NeuS), their sum, and sums of weighted values; packed holds first sample and number.
#define HEAD3D_DECLARE_COMPOSITE(suffix, T)                                                     \
  HEAD3D_API int head3d_composite_fwd_##suffix(                                                 \
      const T* sdf /* S */, const T* sd /* S */, const int64_t* packed /* R 2 */, int64_t R,    \
      const T* values /* S C */, int64_t C, T* weights /* S */, T* opacity /* R */,             \
      T* sums /* R C */, int64_t threads);                                                      \
  HEAD3D_API int head3d_composite_bwd_##suffix(                                                 \
      const T* sdf, const T* sd, const int64_t* packed, int64_t R, const T* values, int64_t C,  \
      const T* weights, const T* g_weights /* S */, const T* g_opacity /* R */,                 \
      const T* g_sums /* R C */, T* g_sdf /* S */, T* g_sd /* S */, T* g_values /* S C */,      \
      int64_t threads);
HEAD3D_DECLARE_COMPOSITE(f32, float)
HEAD3D_DECLARE_COMPOSITE(f64, double)

// Shell marching. With t null, counts into packed[:, 1]; else fills t and ray from packed[:, 0] on.
HEAD3D_API int head3d_march(const float* grid /* X Y Z: m */, int64_t X, int64_t Y, int64_t Z,
                            const float* low /* 3: m */, double cell, const float* origins /* R 3 */,
                            const float* directions /* R 3 */, const float* near /* R */,
                            const float* far /* R */, const float* jitter /* R or null */, int64_t R,
                            double step, double half_width, int64_t most, int64_t* packed /* R 2 */,
                            float* t /* S */, int64_t* ray /* S */, int64_t threads);

// Small network: shape = inputs I, hidden width, hidden layers, outputs O, activation (0 ReLU, 1 softplus);
// flat = weights (out x in), then bias, layer by layer. Gradients are written; g_features may be null.
// encode_mlp runs it on the hash grid; it also writes the features unless they are null.
#define HEAD3D_DECLARE_MLP(suffix, T)                                                            \
  HEAD3D_API int head3d_mlp_fwd_##suffix(const T* features /* P I */, int64_t P, const T* flat,  \
                                         const int64_t* shape /* 5 */, T* out /* P O */,         \
                                         int64_t threads);                                       \
  HEAD3D_API int head3d_mlp_bwd_##suffix(const T* features, int64_t P, const T* flat,            \
                                         const int64_t* shape, const T* g_out /* P O */,         \
                                         T* g_features /* P I */, T* g_flat, int64_t threads);   \
  HEAD3D_API int head3d_encode_mlp_fwd_##suffix(                                                 \
      const T* points /* P 3 */, int64_t P, const T* table, const double* scales,                \
      const int64_t* layout, int64_t L, int64_t F, int64_t smooth, const T* flat,                \
      const int64_t* shape, T* features /* P I or null */, T* out /* P O */, int64_t threads);
HEAD3D_DECLARE_MLP(f32, float)
HEAD3D_DECLARE_MLP(f64, double)
