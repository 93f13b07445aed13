// Light on matte surfaces, 16 rays at a time: a vector holds one number of all of them.
//
// Gradients of the light are sums over rays. Rays are cut into segments whose number depends on the
// sizes alone; each has sums of its own, which are added up in order: the same bits with any number
// of threads.
#include "../math/shading.h"

#include <algorithm>
#include <type_traits>
#include <vector>

#include "../abi.h"

namespace {

using namespace head3d;
constexpr int kTile = 16;
constexpr int64_t kMostSegments = 64,
                  kLeastRays = 1024;  // of a segment: a thread's start costs as much

template <typename T>
using Rows = T[3][kTile];  // a vector or a colour of each ray

template <typename T>
HEAD3D_HD void load(const T* rows, int64_t start, int count, Rows<T>& to) {
  if (count == kTile) {
    for (int i = 0; i < kTile; ++i)
      for (int a = 0; a < 3; ++a) to[a][i] = rows[3 * (start + i) + a];
    return;
  }
  for (int i = 0; i < kTile; ++i)  // zeros behind the end add nothing to a sum
    for (int a = 0; a < 3; ++a) to[a][i] = i < count ? rows[3 * (start + i) + a] : T(0);
}

template <typename T>
HEAD3D_HD void store(const Rows<T>& from, int64_t start, int count, T* rows) {
  if (!rows) return;
  if (count == kTile) {
    for (int i = 0; i < kTile; ++i)
      for (int a = 0; a < 3; ++a) rows[3 * (start + i) + a] = from[a][i];
    return;
  }
  for (int i = 0; i < count; ++i)
    for (int a = 0; a < 3; ++a) rows[3 * (start + i) + a] = from[a][i];
}

// Segments of R rays, each with `sums` numbers: together not more than `sums` numbers per ray.
int64_t segments_of(int64_t R, int64_t rows) {
  const int64_t most = std::min(R / kLeastRays, R / std::max<int64_t>(rows, 1));
  return clamp<int64_t>(most, 1, kMostSegments);
}

// Calls visit(first ray, count, sums of the segment) for all tiles; adds the segments' sums to
// total unless it is null. A row is what one light has: `width` numbers.
template <typename T, typename Visit>
void for_tiles(int64_t R, int64_t rows, int64_t width, T* total, int64_t threads,
               const Visit& visit) {
  const int64_t segments = segments_of(R, total ? rows : 1), size = rows * width;
  std::vector<T> sums(total && segments > 1 ? segments * size : 0);
#pragma omp parallel for schedule(static) num_threads(threads)
  for (int64_t s = 0; s < segments; ++s) {
    T* mine = segments > 1 ? sums.data() + (total ? s * size : 0) : total;
    const int64_t last = R * (s + 1) / segments;
    for (int64_t start = R * s / segments; start < last; start += kTile)
      visit(start, int(std::min<int64_t>(kTile, last - start)), mine);
  }
  if (!total || segments == 1) return;
  for (int64_t s = 0; s < segments; ++s)
    for (int64_t k = 0; k < size; ++k) total[k] += sums[s * size + k];
}

// --- harmonics

constexpr int kNumbers = 3 * kHarmonics;

template <typename T>
struct Lit {
  Rows<T> normal, albedo, light, floor;
  T basis[kHarmonics][kTile];
  int32_t at[kTile];  // first number of each ray's light
  bool same;          // one light for all
  bool dark;          // somewhere light has to be lifted
};

// `light` before it is lifted: a vector loop, for exp is not one and seldom wanted.
template <typename T>
HEAD3D_HD void illuminate(const T* albedo, const T* normal, const T* sh, int64_t N,
                          const int64_t* which, T darkest, int64_t start, int count, Lit<T>& lit) {
  load(albedo, start, count, lit.albedo);
  load(normal, start, count, lit.normal);
  lit.same = true;
  for (int i = 0; i < kTile; ++i) {
    const int64_t one = clamp<int64_t>(which[start + (i < count ? i : 0)], 0, N - 1);
    lit.at[i] = int32_t(one) * kNumbers;
    lit.same &= lit.at[i] == lit.at[0];
  }
#pragma omp simd
  for (int i = 0; i < kTile; ++i) {
    T basis[kHarmonics];
    irradiance_basis(lit.normal[0][i], lit.normal[1][i], lit.normal[2][i], basis);
    for (int k = 0; k < kHarmonics; ++k) lit.basis[k][i] = basis[k];
  }
  const auto add_up = [&](auto same) {
    int dark = 0;
    for (int c = 0; c < 3; ++c) {
#pragma omp simd reduction(| : dark)
      for (int i = 0; i < kTile; ++i) {
        const T* mine = sh + (same ? lit.at[0] : lit.at[i]) + c;
        T sum = 0;
#pragma GCC unroll 9
        for (int k = 0; k < kHarmonics; ++k) sum += lit.basis[k][i] * mine[3 * k];
        lit.light[c][i] = sum;
        lit.floor[c][i] = light_floor(mine[0], darkest);
        dark |= is_dark(sum, lit.floor[c][i]);
      }
    }
    lit.dark = dark;
  };
  if (lit.same)
    add_up(std::true_type());
  else
    add_up(std::false_type());
}

template <typename T>
int forward(const T* albedo, const T* normal, int64_t R, const T* sh, int64_t N,
            const int64_t* which, T darkest, T* out, int64_t threads) {
  for_tiles<T>(R, 1, 1, nullptr, threads, [=](int64_t start, int count, T*) {
    Lit<T> lit;
    illuminate(albedo, normal, sh, N, which, darkest, start, count, lit);
    Rows<T> made;
    for (int c = 0; c < 3; ++c)
      for (int i = 0; i < kTile; ++i) {
        if (lit.dark && is_dark(lit.light[c][i], lit.floor[c][i]))
          lit.light[c][i] = lift(lit.light[c][i], lit.floor[c][i]);
      }
    for (int c = 0; c < 3; ++c)
#pragma omp simd
      for (int i = 0; i < kTile; ++i) made[c][i] = lit.albedo[c][i] * lit.light[c][i];
    store(made, start, count, out);
  });
  return 0;
}

// g: the cotangent of each ray's light before it was lifted.
template <typename T>
HEAD3D_HD void add_to_lights(const Lit<T>& lit, const Rows<T>& g, T* sums) {
  for (int k = 0; k < kHarmonics; ++k)
    for (int c = 0; c < 3; ++c) {
      if (lit.same) {
        T sum = 0;
#pragma omp simd reduction(+ : sum)
        for (int i = 0; i < kTile; ++i) sum += lit.basis[k][i] * g[c][i];
        sums[lit.at[0] + 3 * k + c] += sum;
        continue;
      }
      for (int i = 0; i < kTile; ++i) sums[lit.at[i] + 3 * k + c] += lit.basis[k][i] * g[c][i];
    }
}

template <typename T>
int backward(const T* albedo, const T* normal, int64_t R, const T* sh, int64_t N,
             const int64_t* which, T darkest, const T* g_out, T* g_albedo, T* g_normal, T* g_sh,
             int64_t threads) {
  for_tiles<T>(R, N, kNumbers, g_sh, threads, [=](int64_t start, int count, T* sums) {
    Lit<T> lit;
    illuminate(albedo, normal, sh, N, which, darkest, start, count, lit);
    Rows<T> g, to_albedo, to_normal;
    load(g_out, start, count, to_albedo);
    for (int c = 0; c < 3; ++c)
#pragma omp simd
      for (int i = 0; i < kTile; ++i) {
        g[c][i] = to_albedo[c][i] * lit.albedo[c][i];
        to_albedo[c][i] *= lit.light[c][i];
      }
    if (lit.dark) {
      load(g_out, start, count, to_albedo);
      for (int c = 0; c < 3; ++c)
        for (int i = 0; i < kTile; ++i) {
          const T light = lit.light[c][i], floor = lit.floor[c][i];
          const bool dark = is_dark(light, floor);
          g[c][i] *= dark ? lift_slope(light, floor) : T(1);
          to_albedo[c][i] *= dark ? lift(light, floor) : light;
        }
    }
    store(to_albedo, start, count, g_albedo);
    if (g_normal) {
      const auto turn = [&](auto same) {
#pragma omp simd
        for (int i = 0; i < kTile; ++i) {
          const T* mine = sh + (same ? lit.at[0] : lit.at[i]);
          T to_basis[kHarmonics];
#pragma GCC unroll 9
          for (int k = 0; k < kHarmonics; ++k)
            to_basis[k] =
                g[0][i] * mine[3 * k] + g[1][i] * mine[3 * k + 1] + g[2][i] * mine[3 * k + 2];
          irradiance_basis_vjp(lit.normal[0][i], lit.normal[1][i], lit.normal[2][i], to_basis,
                               to_normal[0][i], to_normal[1][i], to_normal[2][i]);
        }
      };
      if (lit.same)
        turn(std::true_type());
      else
        turn(std::false_type());
      store(to_normal, start, count, g_normal);
    }
    if (g_sh) add_to_lights(lit, g, sums);
  });
  return 0;
}

// --- lamps

template <typename T>
struct LampRays {
  Rows<T> normal, point, albedo;
};

template <typename T>
HEAD3D_HD void load_rays(const T* albedo, const T* normal, const T* points, int64_t start,
                         int count, LampRays<T>& rays) {
  load(albedo, start, count, rays.albedo);
  load(normal, start, count, rays.normal);
  load(points, start, count, rays.point);
}

template <typename T>
HEAD3D_HD Vec3<T> way_to(const T* lamp, const LampRays<T>& rays, int i) {
  return {lamp[0] - rays.point[0][i], lamp[1] - rays.point[1][i], lamp[2] - rays.point[2][i]};
}

template <typename T>
HEAD3D_HD Vec3<T> row(const Rows<T>& rows, int i) {
  return {rows[0][i], rows[1][i], rows[2][i]};
}

template <typename T>
int lamps_forward(const T* albedo, const T* normal, const T* points, int64_t R, const T* positions,
                  const T* intensities, int64_t L, T* out, int64_t threads) {
  for_tiles<T>(R, 1, 1, nullptr, threads, [=](int64_t start, int count, T*) {
    LampRays<T> rays;
    load_rays(albedo, normal, points, start, count, rays);
    Rows<T> light = {};
    for (int64_t l = 0; l < L; ++l) {
      const T* color = intensities + 3 * l;
#pragma omp simd
      for (int i = 0; i < kTile; ++i) {
        T slope;
        const T part = lamp_part(row(rays.normal, i), way_to(positions + 3 * l, rays, i), slope);
        for (int c = 0; c < 3; ++c) light[c][i] += part * color[c];
      }
    }
    for (int c = 0; c < 3; ++c)
      for (int i = 0; i < kTile; ++i) light[c][i] *= rays.albedo[c][i];
    store(light, start, count, out);
  });
  return 0;
}

template <typename T>
int lamps_backward(const T* albedo, const T* normal, const T* points, int64_t R, const T* positions,
                   const T* intensities, int64_t L, const T* g_out, T* g_albedo, T* g_normal,
                   T* g_intensities, int64_t threads) {
  for_tiles<T>(R, L, 3, g_intensities, threads, [=](int64_t start, int count, T* sums) {
    LampRays<T> rays;
    load_rays(albedo, normal, points, start, count, rays);
    Rows<T> g, lit, light = {}, to_normal = {};
    load(g_out, start, count, g);
    for (int c = 0; c < 3; ++c)
      for (int i = 0; i < kTile; ++i) lit[c][i] = g[c][i] * rays.albedo[c][i];
    for (int64_t l = 0; l < L; ++l) {
      const T* color = intensities + 3 * l;
      T red = 0, green = 0, blue = 0;
#pragma omp simd reduction(+ : red, green, blue)
      for (int i = 0; i < kTile; ++i) {
        T slope;
        const Vec3<T> way = way_to(positions + 3 * l, rays, i);
        const T part = lamp_part(row(rays.normal, i), way, slope);
        light[0][i] += part * color[0];
        light[1][i] += part * color[1];
        light[2][i] += part * color[2];
        slope *= lit[0][i] * color[0] + lit[1][i] * color[1] + lit[2][i] * color[2];
        to_normal[0][i] += slope * way.x;
        to_normal[1][i] += slope * way.y;
        to_normal[2][i] += slope * way.z;
        red += part * lit[0][i];
        green += part * lit[1][i];
        blue += part * lit[2][i];
      }
      if (!g_intensities) continue;
      sums[3 * l] += red;
      sums[3 * l + 1] += green;
      sums[3 * l + 2] += blue;
    }
    for (int c = 0; c < 3; ++c)
      for (int i = 0; i < kTile; ++i) light[c][i] *= g[c][i];
    store(light, start, count, g_albedo);
    store(to_normal, start, count, g_normal);
  });
  return 0;
}

}  // namespace

#define HEAD3D_SHADING(suffix, T)                                                                 \
  int head3d_shade_sh_fwd_##suffix(const T* albedo, const T* normal, int64_t R, const T* sh,      \
                                   int64_t N, const int64_t* light, double darkest, T* out,       \
                                   int64_t threads) {                                             \
    return forward(albedo, normal, R, sh, N, light, T(darkest), out, threads);                    \
  }                                                                                               \
  int head3d_shade_sh_bwd_##suffix(                                                               \
      const T* albedo, const T* normal, int64_t R, const T* sh, int64_t N, const int64_t* light,  \
      double darkest, const T* g_out, T* g_albedo, T* g_normal, T* g_sh, int64_t threads) {       \
    return backward(albedo, normal, R, sh, N, light, T(darkest), g_out, g_albedo, g_normal, g_sh, \
                    threads);                                                                     \
  }                                                                                               \
  int head3d_shade_lamps_fwd_##suffix(const T* albedo, const T* normal, const T* points,          \
                                      int64_t R, const T* positions, const T* intensities,        \
                                      int64_t L, T* out, int64_t threads) {                       \
    return lamps_forward(albedo, normal, points, R, positions, intensities, L, out, threads);     \
  }                                                                                               \
  int head3d_shade_lamps_bwd_##suffix(const T* albedo, const T* normal, const T* points,          \
                                      int64_t R, const T* positions, const T* intensities,        \
                                      int64_t L, const T* g_out, T* g_albedo, T* g_normal,        \
                                      T* g_intensities, int64_t threads) {                        \
    return lamps_backward(albedo, normal, points, R, positions, intensities, L, g_out, g_albedo,  \
                          g_normal, g_intensities, threads);                                      \
  }
#ifdef HEAD3D_F64  // from float64/shading.cpp
HEAD3D_SHADING(f64, double)
#else
HEAD3D_SHADING(f32, float)
#endif
