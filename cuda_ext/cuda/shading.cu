// Light on matte surfaces: a thread per ray. Sums over rays are first added up within a warp.
#include "../math/shading.h"
#include "launch.h"

namespace head3d::shading {

template <typename T>
__global__ void forward(const T* albedo, const T* normal, int64_t R, const T* sh, int64_t N,
                        const int64_t* light, T darkest, T* out);
template <typename T>
__global__ void backward(const T* albedo, const T* normal, int64_t R, const T* sh, int64_t N,
                         const int64_t* light, T darkest, const T* g_out, T* g_albedo, T* g_normal,
                         T* g_sh);
template <typename T>
__global__ void lamps_forward(const T* albedo, const T* normal, const T* points, int64_t R,
                              const T* positions, const T* intensities, int64_t L, T* out);
template <typename T>
__global__ void lamps_backward(const T* albedo, const T* normal, const T* points, int64_t R,
                               const T* positions, const T* intensities, int64_t L, const T* g_out,
                               T* g_albedo, T* g_normal, T* g_intensities);

#if HEAD3D_DEVICE

constexpr int kNumbers = 3 * kHarmonics;
constexpr unsigned kWholeWarp = 0xffffffffu;

// Called by all lanes of a warp.
template <typename T>
__device__ void add_of_warp(T* sum, T value) {
  for (int step = 16; step > 0; step /= 2) value += __shfl_xor_sync(kWholeWarp, value, step);
  if ((threadIdx.x & 31) == 0) atomicAdd(sum, value);
}

__device__ inline int64_t light_at(const int64_t* light, int64_t r, int64_t N) {
  return clamp<int64_t>(light[r], 0, N - 1);
}

template <typename T>
__device__ T color_light(const T basis[kHarmonics], const T* sh, int c) {
  T sum = 0;
  for (int k = 0; k < kHarmonics; ++k) sum += basis[k] * sh[3 * k + c];
  return sum;
}

template <typename T>
__global__ void forward(const T* albedo, const T* normal, int64_t R, const T* sh, int64_t N,
                        const int64_t* light, T darkest, T* out) {
  const int64_t r = item();
  if (r >= R) return;
  const T* mine = sh + light_at(light, r, N) * kNumbers;
  T basis[kHarmonics];
  irradiance_basis(normal[3 * r], normal[3 * r + 1], normal[3 * r + 2], basis);
  for (int c = 0; c < 3; ++c) {
    const T sum = color_light(basis, mine, c), floor = light_floor(mine[c], darkest);
    out[3 * r + c] = albedo[3 * r + c] * (is_dark(sum, floor) ? lift(sum, floor) : sum);
  }
}

template <typename T>
__global__ void backward(const T* albedo, const T* normal, int64_t R, const T* sh, int64_t N,
                         const int64_t* light, T darkest, const T* g_out, T* g_albedo, T* g_normal,
                         T* g_sh) {
  const bool valid = item() < R;
  const int64_t r = valid ? item() : R - 1;  // lanes behind the end add zeros to their warp's sums
  const int64_t which = light_at(light, r, N);
  const T* mine = sh + which * kNumbers;
  const T x = normal[3 * r], y = normal[3 * r + 1], z = normal[3 * r + 2];
  T basis[kHarmonics], g_basis[kHarmonics] = {}, g[3];
  irradiance_basis(x, y, z, basis);
  for (int c = 0; c < 3; ++c) {
    const T sum = color_light(basis, mine, c), floor = light_floor(mine[c], darkest);
    const T from = valid ? g_out[3 * r + c] : T(0);
    const bool dark = is_dark(sum, floor);
    g[c] = from * albedo[3 * r + c] * (dark ? lift_slope(sum, floor) : T(1));
    if (valid && g_albedo) g_albedo[3 * r + c] = from * (dark ? lift(sum, floor) : sum);
    for (int k = 0; k < kHarmonics; ++k) g_basis[k] += g[c] * mine[3 * k + c];
  }
  if (valid && g_normal)
    irradiance_basis_vjp(x, y, z, g_basis, g_normal[3 * r], g_normal[3 * r + 1],
                         g_normal[3 * r + 2]);
  if (!g_sh) return;
  const int64_t first = __shfl_sync(kWholeWarp, static_cast<long long>(which), 0);
  const bool same = __all_sync(kWholeWarp, which == first);
  for (int k = 0; k < kHarmonics; ++k)
    for (int c = 0; c < 3; ++c) {
      T* sum = g_sh + which * kNumbers + 3 * k + c;
      if (same)
        add_of_warp(sum, basis[k] * g[c]);
      else if (valid)
        atomicAdd(sum, basis[k] * g[c]);
    }
}

template <typename T>
__device__ Vec3<T> row(const T* rows, int64_t r) {
  return {rows[3 * r], rows[3 * r + 1], rows[3 * r + 2]};
}

template <typename T>
__global__ void lamps_forward(const T* albedo, const T* normal, const T* points, int64_t R,
                              const T* positions, const T* intensities, int64_t L, T* out) {
  const int64_t r = item();
  if (r >= R) return;
  const Vec3<T> n = row(normal, r), point = row(points, r);
  Vec3<T> light = {0, 0, 0};
  for (int64_t l = 0; l < L; ++l) {
    T slope;
    const T part = lamp_part(n, row(positions, l) - point, slope);
    light = light + row(intensities, l) * part;
  }
  out[3 * r] = albedo[3 * r] * light.x;
  out[3 * r + 1] = albedo[3 * r + 1] * light.y;
  out[3 * r + 2] = albedo[3 * r + 2] * light.z;
}

template <typename T>
__global__ void lamps_backward(const T* albedo, const T* normal, const T* points, int64_t R,
                               const T* positions, const T* intensities, int64_t L, const T* g_out,
                               T* g_albedo, T* g_normal, T* g_intensities) {
  const bool valid = item() < R;
  const int64_t r = valid ? item() : R - 1;
  const Vec3<T> n = row(normal, r), point = row(points, r), color = row(albedo, r);
  const Vec3<T> g = row(g_out, r) * (valid ? T(1) : T(0));
  const Vec3<T> lit = {g.x * color.x, g.y * color.y, g.z * color.z};
  Vec3<T> light = {0, 0, 0}, to_normal = {0, 0, 0};
  for (int64_t l = 0; l < L; ++l) {
    T slope;
    const Vec3<T> way = row(positions, l) - point, intensity = row(intensities, l);
    const T part = lamp_part(n, way, slope);
    light = light + intensity * part;
    to_normal = to_normal + way * (slope * dot(lit, intensity));
    if (!g_intensities) continue;
    add_of_warp(g_intensities + 3 * l, part * lit.x);
    add_of_warp(g_intensities + 3 * l + 1, part * lit.y);
    add_of_warp(g_intensities + 3 * l + 2, part * lit.z);
  }
  const T to_albedo[3] = {g.x * light.x, g.y * light.y, g.z * light.z};
  const T turned[3] = {to_normal.x, to_normal.y, to_normal.z};
  for (int c = 0; c < 3; ++c) {
    if (valid && g_albedo) g_albedo[3 * r + c] = to_albedo[c];
    if (valid && g_normal) g_normal[3 * r + c] = turned[c];
  }
}

#endif  // HEAD3D_DEVICE

}  // namespace head3d::shading

#if HEAD3D_HOST

using namespace head3d::shading;

#define HEAD3D_SHADING(suffix, T)                                                                \
  int head3d_shade_sh_fwd_##suffix(const T* albedo, const T* normal, int64_t R, const T* sh,     \
                                   int64_t N, const int64_t* light, double darkest, T* out,      \
                                   int64_t stream) {                                             \
    HEAD3D_LAUNCH(forward<T>, R, 1, stream, albedo, normal, R, sh, N, light, T(darkest), out);   \
    return 0;                                                                                    \
  }                                                                                              \
  int head3d_shade_sh_bwd_##suffix(                                                              \
      const T* albedo, const T* normal, int64_t R, const T* sh, int64_t N, const int64_t* light, \
      double darkest, const T* g_out, T* g_albedo, T* g_normal, T* g_sh, int64_t stream) {       \
    HEAD3D_LAUNCH(backward<T>, R, 1, stream, albedo, normal, R, sh, N, light, T(darkest), g_out, \
                  g_albedo, g_normal, g_sh);                                                     \
    return 0;                                                                                    \
  }                                                                                              \
  int head3d_shade_lamps_fwd_##suffix(const T* albedo, const T* normal, const T* points,         \
                                      int64_t R, const T* positions, const T* intensities,       \
                                      int64_t L, T* out, int64_t stream) {                       \
    HEAD3D_LAUNCH(lamps_forward<T>, R, 1, stream, albedo, normal, points, R, positions,          \
                  intensities, L, out);                                                          \
    return 0;                                                                                    \
  }                                                                                              \
  int head3d_shade_lamps_bwd_##suffix(const T* albedo, const T* normal, const T* points,         \
                                      int64_t R, const T* positions, const T* intensities,       \
                                      int64_t L, const T* g_out, T* g_albedo, T* g_normal,       \
                                      T* g_intensities, int64_t stream) {                        \
    HEAD3D_LAUNCH(lamps_backward<T>, R, 1, stream, albedo, normal, points, R, positions,         \
                  intensities, L, g_out, g_albedo, g_normal, g_intensities);                     \
    return 0;                                                                                    \
  }
HEAD3D_SHADING(f32, float)
HEAD3D_SHADING(f64, double)

#endif  // HEAD3D_HOST
