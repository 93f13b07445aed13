// The C ABI between the kernels and Python (head3d/kernels/library.py). No torch, no std types.
//
// Rules: arrays are raw pointers to contiguous memory, integers int64_t, reals double, so that the caller needs no
// table of argument types. `_f32` and `_f64` name the scalar of the arrays. CPU functions end with `threads`, CUDA
// functions end with `stream`. A function returns 0, or an error code of the CUDA runtime.
// Shapes stand beside each pointer in the legend of STYLE: P points, V vertices, F faces, H W pixels, D grid nodes.
#pragma once
#include <cstdint>

#define HEAD3D_ABI 4
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

// Lookup in three planes XY, YZ, ZX, summed; g_planes is added to, g_points is written; either may be null.
#define HEAD3D_DECLARE_TRIPLANE(suffix, T)                                                      \
  HEAD3D_API int head3d_triplane_fwd_##suffix(                                                  \
      const T* planes /* 3 H W C */, int64_t H, int64_t W, int64_t C,                           \
      const T* points /* P 3, unit cube */, int64_t P, T* out /* P C */, int64_t threads);      \
  HEAD3D_API int head3d_triplane_bwd_##suffix(                                                  \
      const T* planes, int64_t H, int64_t W, int64_t C, const T* points, int64_t P,             \
      const T* g_out /* P C */, T* g_planes /* 3 H W C */, T* g_points /* P 3 */,               \
      int64_t threads);
HEAD3D_DECLARE_TRIPLANE(f32, float)
HEAD3D_DECLARE_TRIPLANE(f64, double)

// Packed samples -> weights (NeuS), their sum, and sums of weighted values; packed holds first sample and number.
// Sections that less light than stop_below reaches have weight 0; gradients come as zeros.
#define HEAD3D_DECLARE_COMPOSITE(suffix, T)                                                     \
  HEAD3D_API int head3d_composite_fwd_##suffix(                                                 \
      const T* sdf /* S */, const T* sd /* S */, const int64_t* packed /* R 2 */, int64_t R,    \
      const T* values /* S C */, int64_t C, double stop_below, T* weights /* S */,              \
      T* opacity /* R */, T* sums /* R C */, int64_t threads);                                  \
  HEAD3D_API int head3d_composite_bwd_##suffix(                                                 \
      const T* sdf, const T* sd, const int64_t* packed, int64_t R, const T* values, int64_t C,  \
      double stop_below, const T* weights, const T* g_weights /* S */,                          \
      const T* g_opacity /* R */,                                                               \
      const T* g_sums /* R C */, T* g_sdf /* S */, T* g_sd /* S */, T* g_values /* S C */,      \
      int64_t threads);
HEAD3D_DECLARE_COMPOSITE(f32, float)
HEAD3D_DECLARE_COMPOSITE(f64, double)

// Light on matte surfaces: the harmonics of light[r], lifted over `darkest` of the ambient light; and lamps with
// inverse-square falloff. g_albedo and g_normal are written, g_sh and g_intensities added to; any may be null.
#define HEAD3D_DECLARE_SHADING(suffix, T)                                                       \
  HEAD3D_API int head3d_shade_sh_fwd_##suffix(                                                  \
      const T* albedo /* R 3 */, const T* normal /* R 3 */, int64_t R, const T* sh /* N 9 3 */, \
      int64_t N, const int64_t* light /* R */, double darkest, T* out /* R 3 */,                \
      int64_t threads);                                                                         \
  HEAD3D_API int head3d_shade_sh_bwd_##suffix(                                                  \
      const T* albedo, const T* normal, int64_t R, const T* sh, int64_t N,                      \
      const int64_t* light, double darkest, const T* g_out /* R 3 */, T* g_albedo /* R 3 */,    \
      T* g_normal /* R 3 */, T* g_sh /* N 9 3 */, int64_t threads);                             \
  HEAD3D_API int head3d_shade_lamps_fwd_##suffix(                                               \
      const T* albedo, const T* normal, const T* points /* R 3: m */, int64_t R,                \
      const T* positions /* L 3: m */, const T* intensities /* L 3 */, int64_t L,               \
      T* out /* R 3 */, int64_t threads);                                                       \
  HEAD3D_API int head3d_shade_lamps_bwd_##suffix(                                               \
      const T* albedo, const T* normal, const T* points, int64_t R, const T* positions,         \
      const T* intensities, int64_t L, const T* g_out /* R 3 */, T* g_albedo /* R 3 */,         \
      T* g_normal /* R 3 */, T* g_intensities /* L 3 */, int64_t threads);
HEAD3D_DECLARE_SHADING(f32, float)
HEAD3D_DECLARE_SHADING(f64, double)

// Packed samples -> spread of each ray's weights over its sections, sorted along the ray. Gradients are written.
#define HEAD3D_DECLARE_DISTORTION(suffix, T)                                                    \
  HEAD3D_API int head3d_distortion_fwd_##suffix(                                                \
      const T* weights /* S */, const T* starts /* S */, const T* ends /* S */,                 \
      const int64_t* packed /* R 2 */, int64_t R, T* loss /* R */, int64_t threads);            \
  HEAD3D_API int head3d_distortion_bwd_##suffix(                                                \
      const T* weights, const T* starts, const T* ends, const int64_t* packed, int64_t R,       \
      const T* g_loss /* R */, T* g_weights /* S */, T* g_starts /* S */, T* g_ends /* S */,    \
      int64_t threads);
HEAD3D_DECLARE_DISTORTION(f32, float)
HEAD3D_DECLARE_DISTORTION(f64, double)

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
// On CUDA, g_flat has room for 1 + head3d_mlp_parts() times the parameters: the gradients, and scratch behind them.
HEAD3D_API int64_t head3d_mlp_parts();
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

// Signed distance and gradient in one pass (math/sdf_taps.h). Each point has 1 + count rows: itself, and count = 0, 4 (a
// tetrahedron) or 6 (along the axes) taps at `step`. The network's first output times `unit` is bounded by reach and added
// to base; both are grids (D H W channels) of which the first channel counts, or null. nodes: W, H, D and channels of
// base, then of reach; frames: origin (x, y, z) and cell of each in the unit cube; both in host memory.
// fwd: outputs are the network's, the first of them the distance. features and slope, for the way back, may be null;
// gradient and mean of the taps are not written if count is 0.
// bwd: places, and cotangents g_raw of the network's outputs, for mlp_bwd and hash_grid_bwd, which give the rest; g_points
// is what comes through base, and may be null.
#define HEAD3D_DECLARE_SDF_TAPS(suffix, T)                                                        \
  HEAD3D_API int head3d_sdf_taps_fwd_##suffix(                                                    \
      const T* points /* P 3 */, int64_t P, int64_t count, double step, const T* base,            \
      const T* reach, const int64_t* nodes /* 8 */, const double* frames /* 8 */, double unit,    \
      const T* table, const double* scales, const int64_t* layout, int64_t L, int64_t F,          \
      int64_t smooth, const T* flat, const int64_t* shape, T* features /* P (1 + count) I */,     \
      T* slope /* P (1 + count) */, T* outputs /* P O */, T* gradient /* P 3 */, T* mean /* P */, \
      int64_t threads);                                                                           \
  HEAD3D_API int head3d_sdf_taps_bwd_##suffix(                                                    \
      const T* points, int64_t P, int64_t count, double step, const T* base, const T* reach,      \
      const int64_t* nodes, const double* frames, double unit, int64_t O, const T* slope,         \
      const T* g_outputs /* P O */, const T* g_gradient /* P 3 */, const T* g_mean /* P */,       \
      T* places /* P (1 + count) 3 */, T* g_raw /* P (1 + count) O */, T* g_points /* P 3 */,     \
      int64_t threads);
HEAD3D_DECLARE_SDF_TAPS(f32, float)
HEAD3D_DECLARE_SDF_TAPS(f64, double)

// The same with bfloat16 between the layers (float32 sums), for F = 2, I = 2 L and ReLU, where the CPU has tiles:
// has_bf16 says so; else the functions return 1. tape and g_x are scratch that the caller keeps: the features, in
// 16-point tiles (ceil(P / 32) * 2 * ceil(I / 32) * 1024 bytes, 64-byte aligned; null: no backward pass follows), and
// their cotangents, level by level (L * ceil(P / 32) * 2 * 64 bytes; null: only g_flat is wanted).
HEAD3D_API int64_t head3d_has_bf16();
HEAD3D_API int head3d_encode_mlp_fwd_bf16(const float* points /* P 3 */, int64_t P,
                                          const float* table /* E 2 */, const double* scales,
                                          const int64_t* layout, int64_t L, int64_t F,
                                          int64_t smooth, const float* flat, const int64_t* shape,
                                          uint8_t* tape, float* out /* P O */, int64_t threads);
HEAD3D_API int head3d_encode_mlp_bwd_bf16(const float* points, int64_t P, const double* scales,
                                          const int64_t* layout, int64_t L, int64_t F,
                                          int64_t smooth, const float* flat, const int64_t* shape,
                                          const uint8_t* tape, const float* g_out /* P O */,
                                          uint8_t* g_x, float* g_table /* E 2, added to */,
                                          float* g_flat, int64_t threads);

// encode_mlp on the tensor cores of a GPU: 16-bit numbers between the layers (bfloat16; float16 before sm_80), float32
// sums and arrays; needs no features kept. scratch: as many floats as _scratch says, 32-byte aligned, for one call.
// g_table is added to, g_points and g_flat are written; g_table and g_points may be null. Returns 1 if a warp's 32
// points do not fit shared memory with all their layers.
HEAD3D_API int64_t head3d_encode_mlp_half_scratch(const int64_t* shape, int64_t backward);
HEAD3D_API int head3d_encode_mlp_half_fwd(const float* points /* P 3 */, int64_t P,
                                          const float* table, const double* scales,
                                          const int64_t* layout, int64_t L, int64_t F,
                                          int64_t smooth, const float* flat, const int64_t* shape,
                                          float* scratch, float* out /* P O */, int64_t stream);
HEAD3D_API int head3d_encode_mlp_half_bwd(const float* points, int64_t P, const float* table,
                                          const double* scales, const int64_t* layout, int64_t L,
                                          int64_t F, int64_t smooth, const float* flat,
                                          const int64_t* shape, float* scratch,
                                          const float* g_out /* P O */, float* g_table /* E F */,
                                          float* g_points /* P 3 */, float* g_flat, int64_t stream);

// What the CPU can do at most, for the benchmark. done: operations (a multiply-add is two), and the sum of what was
// computed so that nothing is optimised away. AMX tiles of bfloat16 do none where the CPU or the system has none.
// Random reads of 8 bytes: E a power of two, reads a multiple of 256, else 1 is returned.
HEAD3D_API int head3d_fma_peak(int64_t rounds, double* done /* 2 */, int64_t threads);
HEAD3D_API int head3d_amx_peak(int64_t rounds, double* done /* 2 */, int64_t threads);
HEAD3D_API int head3d_gather_peak(const float* table /* E 2 */, int64_t E, int64_t reads,
                                  double* sum /* 1 */, int64_t threads);

// A radiance field is described by 40 integers and 24 reals.
// field: of the volumes to march on (1 channel), base distance (1), reach and softness (2), albedo logits and seen (4),
// displacement to the neutral head (3, or null): address of the values (C D H W), nodes W, H, D; then of the networks
// of geometry and colour: addresses of table (E F), scales (L) and layout (L 3) as above, L, F, smooth, addresses of
// weight (hidden, L F), bias (hidden) and output weight (1 or 6, hidden), hidden width. At most 32 levels, 64 features.
// numbers: origin (x, y, z) and cell of each volume, m; 1 / width of the features' box, metres per geometry output,
// largest residual radiance, blur of the surface (m). Scales and layout lie in host memory.
// camera: its centre (m) and its axis. At most 8 colors per ray. render_singly marches one ray at a time, as CUDA does
// (CPU only, to compare).
#define HEAD3D_DECLARE_RENDER(name)                                                              \
  HEAD3D_API int head3d_render_##name(                                                           \
      const int64_t* field, const double* numbers, const double* camera /* 6 */,                 \
      const double* light /* 9 3 */, const float* directions /* (H times) (W times) 3 */,        \
      int64_t H, int64_t W, int64_t times, int64_t samples, int64_t colors,                      \
      double normal_step /* m */, int64_t mirror, float* rgb /* H W 3 */,                        \
      float* albedo /* H W 3 */, float* normal /* H W 3 */, float* alpha /* H W */,              \
      float* depth /* H W: m */, int64_t threads);
HEAD3D_DECLARE_RENDER(field)
HEAD3D_DECLARE_RENDER(singly)

// Samples of rays through the described field's cache. t and valid come as zeros; jitter in steps.
HEAD3D_API int head3d_field_march(const int64_t* field, const double* numbers,
                                  const float* origins /* R 3 */, const float* directions /* R 3 */,
                                  const float* jitter /* R or null */, int64_t R, int64_t samples,
                                  float* t /* R samples */, bool* valid /* R samples */,
                                  int64_t threads);

// Light on pixels of a picture through the described field's cache. A lamp: position 3 (m; or unit direction), irradiance
// 3, facing 3, radius (m; or sine), distant 0 or 1. settings: eye 3 (m), strength of shadows, occlusion and gloss.
HEAD3D_API int head3d_relight(const int64_t* field, const double* numbers,
                              const float* places /* P 3: m */, const float* neutral /* P 3: m */,
                              const float* normals /* P 3 */, const float* albedo /* P 3 */,
                              const float* hair /* P */, int64_t P, const float* sh /* 9 3 */,
                              const float* lamps /* L 11 */, int64_t L,
                              const double* settings /* 6 */, float* out /* P 3 */, int64_t threads);

// Signed distance (m) of the described field; without base only its learned residual.
HEAD3D_API int head3d_field_sdf(const int64_t* field, const double* numbers,
                                const float* points /* P 3: m */, int64_t P, int64_t base,
                                float* out /* P */, int64_t threads);
