// Hash grid on the CPU. Backward to the table: a level belongs to one thread, so no two threads
// meet and the sum has one order.
#include "../abi.h"
#include "../math/adam.h"
#include "hash_grid_encode.h"
#ifndef HEAD3D_F64  // wide are floats only
#include <cstring>

#include "hash_grid_wide.h"
#endif

namespace {

using namespace head3d;

template <int F, typename T>
void encode_as(const T* points, int64_t first, int64_t last, const T* table,
               const std::vector<Level<T>>& levels, T* out) {
  const int64_t L = int64_t(levels.size());
  for (int64_t l = 0; l < L; ++l) {
    const T* entries = table + levels[l].offset * F;
    Tile<T> tiles[2];
    T xyz[3][kTile];
    load_tile(points, first, last, xyz);
    locate(levels[l], xyz, tiles[0]);
    fetch<F>(entries, tiles[0]);
    int now = 0;
    for (int64_t start = first; start < last; start += kTile, now ^= 1) {
      if (start + kTile < last) {
        load_tile(points, start + kTile, last, xyz);
        locate(levels[l], xyz, tiles[now ^ 1]);
        fetch<F>(entries, tiles[now ^ 1]);
      }
      const int count = int(std::min<int64_t>(kTile, last - start));
      sum_tile<F>(entries, tiles[now], count, out + ((start - first) * L + l) * F, L * F);
    }
  }
}

#if defined(HEAD3D_WIDE)
wide::WideLevel wide_level(const Level<float>& level) {
  return {level.shape, level.scale, level.offset, level.smooth};
}

// Pairs of floats: 16 points at once by gathers of whole entries.
template <>
void encode_as<2, float>(const float* points, int64_t first, int64_t last, const float* table,
                         const std::vector<Level<float>>& levels, float* out) {
  const int64_t L = int64_t(levels.size());
  for (int64_t l = 0; l < L; ++l) {
    wide::encode_level(points, first, last, last, table, wide_level(levels[l]),
                       [&](int64_t p, const __m512 value[2]) {
                         alignas(64) float rows[32];
                         _mm512_store_ps(rows, value[0]);
                         _mm512_store_ps(rows + 16, value[1]);
                         const int64_t count = std::min<int64_t>(16, last - p);
                         float* to = out + ((p - first) * L + l) * 2;
                         for (int64_t i = 0; i < count; ++i)
                           std::memcpy(to + i * L * 2, rows + 2 * i, 8);
                       });
  }
}
#endif

// Points worked on at once, level by level: enough to visit most lines of a level's table several
// times while it is in L2, few enough that their features stay in L3.
constexpr int64_t kPoints = 16384;

template <int F, typename T>
void forward(const T* points, int64_t P, const T* table, const std::vector<Level<T>>& levels,
             T* out, int64_t threads) {
  const int64_t width = int64_t(levels.size()) * F;
  const int64_t chunk = std::max<int64_t>(kTile, std::min(kPoints, (P + threads - 1) / threads));
#pragma omp parallel for schedule(dynamic) num_threads(threads)
  for (int64_t first = 0; first < P; first += chunk)
    encode_as<F>(points, first, std::min(P, first + chunk), table, levels, out + first * width);
}

template <int F, typename T>
HEAD3D_HD void add_tile(T* entries, const Tile<T>& tile, int count, const T* g_out,
                        int64_t stride) {
  for (int i = 0; i < count; ++i) {
    const typename Entry<F, T>::type g = entry_at<F>(g_out + i * stride);
#pragma GCC unroll 8
    for (int c = 0; c < 8; ++c)
      entry_at<F>(entries + int64_t(tile.entry[c][i]) * F) += tile.weight[c][i] * g;
  }
}

template <int F, typename T>
void backward_level(const T* points, int64_t first, int64_t last, const Level<T>& level,
                    const T* g_out, int64_t stride, T* entries) {
  Tile<T> tiles[2];
  T xyz[3][kTile];
  load_tile(points, first, last, xyz);
  locate(level, xyz, tiles[0]);
  fetch<F>(entries, tiles[0]);
  int now = 0;
  for (int64_t start = first; start < last; start += kTile, now ^= 1) {
    if (start + kTile < last) {
      load_tile(points, start + kTile, last, xyz);
      locate(level, xyz, tiles[now ^ 1]);
      fetch<F>(entries, tiles[now ^ 1]);
    }
    const int count = int(std::min<int64_t>(kTile, last - start));
    add_tile<F>(entries, tiles[now], count, g_out + start * stride, stride);
  }
}

#if defined(HEAD3D_WIDE)
template <>
void backward_level<2, float>(const float* points, int64_t first, int64_t last,
                              const Level<float>& level, const float* g_out, int64_t stride,
                              float* entries) {
  wide::WideLevel shape = wide_level(level);
  shape.offset = 0;  // `entries` are the level's own
  const __m512i row =
      _mm512_mullo_epi32(_mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0),
                         _mm512_set1_epi32(int32_t(stride)));
  wide::add_level(points, first, last, shape, entries, [&](int64_t p, __m512& g0, __m512& g1) {
    const float* g = g_out + p * stride;
    const auto here = __mmask16(last - p < 16 ? (1u << (last - p)) - 1 : 0xffffu);
    g0 = _mm512_mask_i32gather_ps(_mm512_setzero_ps(), here, row, g, 4);
    g1 = _mm512_mask_i32gather_ps(_mm512_setzero_ps(), here, row, g + 1, 4);
  });
}
#endif

template <int F, typename T>
void backward_table(const T* points, int64_t P, const std::vector<Level<T>>& levels, const T* g_out,
                    T* g_table, int64_t threads) {
  const int64_t L = int64_t(levels.size());
#pragma omp parallel for schedule(static, 1) num_threads(threads)
  for (int64_t t = 0; t < threads; ++t) {
    for (int64_t first = 0; first < P; first += kPoints) {
      for (int64_t order = 0; order < L; ++order) {
        // dealt out and back like cards: every thread gets small and large levels
        const int64_t round = order / threads, place = order % threads;
        if ((round & 1 ? threads - 1 - place : place) != t) continue;
        const int64_t l = L - 1 - order;
        backward_level<F>(points, first, std::min(P, first + kPoints), levels[l], g_out + l * F,
                          L * F, g_table + levels[l].offset * F);
      }
    }
  }
}

template <int F, typename T>
void backward_points(const T* points, int64_t P, const T* table,
                     const std::vector<Level<T>>& levels, const T* g_out, T* g_points,
                     int64_t threads) {
  const int64_t L = int64_t(levels.size());
#pragma omp parallel for schedule(static) num_threads(threads)
  for (int64_t start = 0; start < P; start += kTile) {
    Tile<T> tile;
    Fractions<T> fractions;
    T xyz[3][kTile], sum[3][kTile] = {};
    load_tile(points, start, P, xyz);
    const int count = int(std::min<int64_t>(kTile, P - start));
    for (int64_t l = 0; l < L; ++l) {
      locate(levels[l], xyz, tile, &fractions);
      const T* entries = table + levels[l].offset * F;
      for (int i = 0; i < count; ++i) {
        const T* g = g_out + ((start + i) * L + l) * F;
        T value[8], slope[3];
        for (int c = 0; c < 8; ++c) {
          const T* entry = entries + int64_t(tile.entry[c][i]) * F;
          value[c] = 0;
          for (int f = 0; f < F; ++f) value[c] += entry[f] * g[f];
        }
        corner_weights_vjp(value, fractions.w[0][i], fractions.w[1][i], fractions.w[2][i], slope);
        for (int a = 0; a < 3; ++a) sum[a][i] += slope[a] * fractions.slope[a][i];
      }
    }
    for (int i = 0; i < count; ++i)
      for (int a = 0; a < 3; ++a) g_points[3 * (start + i) + a] = sum[a][i];
  }
}

#if defined(HEAD3D_WIDE)
template <>
void backward_points<2, float>(const float* points, int64_t P, const float* table,
                               const std::vector<Level<float>>& levels, const float* g_out,
                               float* g_points, int64_t threads) {
  const int64_t L = int64_t(levels.size());
  const __m512i row =
      _mm512_mullo_epi32(_mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0),
                         _mm512_set1_epi32(int32_t(2 * L)));
#pragma omp parallel for schedule(static) num_threads(threads)
  for (int64_t start = 0; start < P; start += 16) {
    const int count = int(std::min<int64_t>(16, P - start));
    const auto here = __mmask16((1u << count) - 1);
    __m512 xyz[3], sum[3] = {};
    wide::load_points(points, start, P, xyz);
    for (int64_t l = 0; l < L; ++l) {
      const float* g = g_out + (start * L + l) * 2;
      const __m512 g0 = _mm512_mask_i32gather_ps(_mm512_setzero_ps(), here, row, g, 4);
      const __m512 g1 = _mm512_mask_i32gather_ps(_mm512_setzero_ps(), here, row, g + 1, 4);
      const float* entries = table + levels[l].offset * 2;
      wide::add_point_gradients(wide_level(levels[l]), entries, xyz, g0, g1, sum);
    }
    alignas(64) float out[3][16];
    for (int a = 0; a < 3; ++a) _mm512_store_ps(out[a], sum[a]);
    for (int i = 0; i < count; ++i)
      for (int a = 0; a < 3; ++a) g_points[3 * (start + i) + a] = out[a][i];
  }
}
#endif

template <typename T>
int hash_grid_fwd(const T* points, int64_t P, const T* table, const double* scales,
                  const int64_t* layout, int64_t L, int64_t F, int64_t smooth, T* out,
                  int64_t threads) {
  const auto levels = levels_of<T>(scales, layout, L, smooth);
  return for_features(F, [&](auto width) {
    forward<decltype(width)::value>(points, P, table, levels, out, threads);
  });
}

template <typename T>
int hash_grid_bwd(const T* points, int64_t P, const T* table, const double* scales,
                  const int64_t* layout, int64_t L, int64_t F, int64_t smooth, const T* g_out,
                  T* g_table, T* g_points, int64_t threads) {
  const auto levels = levels_of<T>(scales, layout, L, smooth);
  return for_features(F, [&](auto width) {
    constexpr int kF = decltype(width)::value;
    if (g_table) backward_table<kF>(points, P, levels, g_out, g_table, threads);
    if (g_points) backward_points<kF>(points, P, table, levels, g_out, g_points, threads);
  });
}

}  // namespace

namespace head3d {

template <typename T>
std::vector<Level<T>> levels_of(const double* scales, const int64_t* layout, int64_t L,
                                int64_t smooth) {
  std::vector<Level<T>> levels;
  for (int64_t l = 0; l < L; ++l) {
    const int64_t resolution = layout[3 * l], entries = layout[3 * l + 2];
    const bool hashed = resolution * resolution * resolution > entries;
    levels.push_back({{uint32_t(resolution), uint32_t(entries), hashed},
                      T(scales[l]),
                      layout[3 * l + 1],
                      smooth != 0});
  }
  return levels;
}

template <typename T>
void encode(const T* points, int64_t first, int64_t last, const T* table,
            const std::vector<Level<T>>& levels, int64_t F, T* out) {
  for_features(F, [&](auto width) {
    encode_as<decltype(width)::value>(points, first, last, table, levels, out);
  });
}

}  // namespace head3d

#define HEAD3D_HASH_GRID(suffix, T)                                                                \
  int head3d_hash_grid_fwd_##suffix(const T* points, int64_t P, const T* table,                    \
                                    const double* scales, const int64_t* layout, int64_t L,        \
                                    int64_t F, int64_t smooth, T* out, int64_t threads) {          \
    return hash_grid_fwd(points, P, table, scales, layout, L, F, smooth, out, threads);            \
  }                                                                                                \
  int head3d_hash_grid_bwd_##suffix(const T* points, int64_t P, const T* table,                    \
                                    const double* scales, const int64_t* layout, int64_t L,        \
                                    int64_t F, int64_t smooth, const T* g_out, T* g_table,         \
                                    T* g_points, int64_t threads) {                                \
    return hash_grid_bwd(points, P, table, scales, layout, L, F, smooth, g_out, g_table, g_points, \
                         threads);                                                                 \
  }
#define HEAD3D_ENCODE(T)                                                                           \
  template std::vector<head3d::Level<T>> head3d::levels_of(const double*, const int64_t*, int64_t, \
                                                           int64_t);                               \
  template void head3d::encode(const T*, int64_t, int64_t, const T*,                               \
                               const std::vector<head3d::Level<T>>&, int64_t, T*);
#ifdef HEAD3D_F64  // from float64/hash_grid.cpp
HEAD3D_ENCODE(double)
HEAD3D_HASH_GRID(f64, double)
#else
HEAD3D_ENCODE(float)
HEAD3D_HASH_GRID(f32, float)

int head3d_adam_touched(float* table, int64_t E, int64_t F, float* gradient, float* first,
                        float* second, double rate, double beta1, double beta2, double correction2,
                        double epsilon, int64_t threads) {
  const head3d::AdamStep step{float(rate), float(beta1), float(beta2), float(correction2),
                              float(epsilon)};
  const int64_t count = E * F;
#pragma omp parallel for simd schedule(static) num_threads(threads)
  for (int64_t i = 0; i < count; ++i) {
    float mean = first[i], square = second[i];
    const float g = gradient[i], change = head3d::adam(step, g, mean, square);
    const bool touched = g != 0.f;  // selected, not branched: the loop stays vector code
    table[i] += touched ? change : 0.f;
    first[i] = touched ? mean : first[i];
    second[i] = touched ? square : second[i];
  }
  return 0;
}
#endif  // HEAD3D_F64
