// Lookup in three planes (3 H W C), channels last: what a corner holds is one run of memory, and
// loops over channels are vectors. Cells of 16 points are found at once, and the next tile's nodes
// are on their way meanwhile.
#include "../../math/triplane.h"

#include <algorithm>
#include <type_traits>

#include "../../abi.h"

namespace {

using namespace head3d;
constexpr int kTile = 16;
constexpr int64_t kChunk = 1024;  // points between two hand-outs to the threads

template <typename T>
struct Tile {
  int32_t cell[3][kTile];
  T u[3][kTile], v[3][kTile];
  int count;
};

template <typename T>
HEAD3D_ONCE void locate(PlaneShape shape, const T* points, int64_t start, int64_t last,
                        Tile<T>& tile) {
  tile.count = int(std::min<int64_t>(kTile, last - start));
  T at[3][kTile];
  for (int i = 0; i < kTile; ++i)
    for (int a = 0; a < 3; ++a) at[a][i] = points[3 * (start + (i < tile.count ? i : 0)) + a];
#pragma GCC unroll 3
  for (int plane = 0; plane < 3; ++plane) {
    const int across = plane_across(plane);
#pragma omp simd
    for (int i = 0; i < kTile; ++i)
      tile.cell[plane][i] =
          plane_cell(shape, at[plane][i], at[across][i], tile.u[plane][i], tile.v[plane][i]);
  }
}

constexpr int64_t kLine = 64;  // bytes that memory hands out at once

// Nodes [low, high) of each plane: those that a thread owns.
struct Band {
  int64_t low, high;
  HEAD3D_HD bool has(int64_t node) const { return (node >= low) & (node < high); }
};

template <typename T>
HEAD3D_HD void fetch(const T* planes, PlaneShape shape, int64_t C, Band band, const Tile<T>& tile) {
  for (int i = 0; i < tile.count; ++i)
    for (int plane = 0; plane < 3; ++plane)
      for (int row = 0; row < 2; ++row) {  // the corners of a row lie side by side
        const int64_t node = tile.cell[plane][i] + row * shape.W;
        if (!band.has(node)) continue;
        const char* at = reinterpret_cast<const char*>(planes + (plane * shape.nodes() + node) * C);
        for (int64_t byte = 0; byte < 2 * C * int64_t(sizeof(T)); byte += kLine)
          __builtin_prefetch(at + byte);
      }
}

// Calls visit(first point, tile) for the tiles of points [first, last), each fetched one tile
// ahead.
template <typename T, typename Visit>
void for_tiles(const T* planes, PlaneShape shape, int64_t C, Band band, const T* points,
               int64_t first, int64_t last, const Visit& visit) {
  Tile<T> tiles[2];
  locate(shape, points, first, last, tiles[0]);
  fetch(planes, shape, C, band, tiles[0]);
  int now = 0;
  for (int64_t start = first; start < last; start += kTile, now ^= 1) {
    if (start + kTile < last) {
      locate(shape, points, start + kTile, last, tiles[now ^ 1]);
      fetch(planes, shape, C, band, tiles[now ^ 1]);
    }
    visit(start, tiles[now]);
  }
}

// Calls work with the number of channels: a constant for the usual ones, so that their loops are a
// few instructions.
template <typename Work>
int with_channels(int64_t C, const Work& work) {
  if (C == 8) return work(std::integral_constant<int64_t, 8>());
  if (C == 16) return work(std::integral_constant<int64_t, 16>());
  if (C == 32) return work(std::integral_constant<int64_t, 32>());
  return work(C);
}

template <typename T, typename Channels>
int forward(const T* planes, PlaneShape shape, Channels C, const T* points, int64_t P, T* out,
            int64_t threads) {
#pragma omp parallel for schedule(static) num_threads(threads)
  for (int64_t first = 0; first < P; first += kChunk) {
    const auto visit = [&](int64_t start, const Tile<T>& tile) {
      for (int i = 0; i < tile.count; ++i) {
        T* sum = out + (start + i) * C;
#pragma GCC unroll 3
        for (int plane = 0; plane < 3; ++plane) {
          T w[4];
          plane_weights(tile.u[plane][i], tile.v[plane][i], w);
          const T* low = planes + (plane * shape.nodes() + tile.cell[plane][i]) * C;
          const T* high = low + shape.W * C;
#pragma omp simd
          for (int64_t k = 0; k < C; ++k)
            sum[k] = (plane ? sum[k] : T(0)) + w[0] * low[k] + w[1] * low[C + k] + w[2] * high[k] +
                     w[3] * high[C + k];
        }
      }
    };
    for_tiles<T>(planes, shape, C, {0, shape.nodes()}, points, first, std::min(P, first + kChunk),
                 visit);
  }
  return 0;
}

template <typename T, typename Channels>
int backward_points(const T* planes, PlaneShape shape, Channels C, const T* points, int64_t P,
                    const T* g_out, T* g_points, int64_t threads) {
#pragma omp parallel for schedule(static) num_threads(threads)
  for (int64_t first = 0; first < P; first += kChunk) {
    const auto visit = [&](int64_t start, const Tile<T>& tile) {
      for (int i = 0; i < tile.count; ++i) {
        const int64_t p = start + i;
        const T* g = g_out + p * C;
        T along[3], across[3];
        for (int plane = 0; plane < 3; ++plane) {
          const T* low = planes + (plane * shape.nodes() + tile.cell[plane][i]) * C;
          const T* high = low + shape.W * C;
          T a = 0, b = 0, c = 0, d = 0;
#pragma omp simd reduction(+ : a, b, c, d)
          for (int64_t k = 0; k < C; ++k) {
            a += low[k] * g[k];
            b += low[C + k] * g[k];
            c += high[k] * g[k];
            d += high[C + k] * g[k];
          }
          const T value[4] = {a, b, c, d};
          plane_weights_vjp(shape, value, tile.u[plane][i], tile.v[plane][i], along[plane],
                            across[plane]);
        }
        const T slope[3] = {along[0] + across[2], along[1] + across[0], along[2] + across[1]};
        for (int a = 0; a < 3; ++a)
          g_points[3 * p + a] = in_unit(points[3 * p + a]) ? slope[a] : T(0);
      }
    };
    for_tiles<T>(planes, shape, C, {0, shape.nodes()}, points, first, std::min(P, first + kChunk),
                 visit);
  }
  return 0;
}

// Each thread owns rows of all planes and walks all points: no two threads meet, and a node adds up
// its points in their order, whatever the number of threads.
template <typename T, typename Channels>
int backward_planes(PlaneShape shape, Channels C, const T* points, int64_t P, const T* g_out,
                    T* g_planes, int64_t threads) {
#pragma omp parallel for schedule(static, 1) num_threads(threads)
  for (int64_t s = 0; s < threads; ++s) {
    const Band band{shape.H * s / threads * shape.W, shape.H * (s + 1) / threads * shape.W};
    const auto visit = [&](int64_t start, const Tile<T>& tile) {
      for (int i = 0; i < tile.count; ++i) {
        const T* g = g_out + (start + i) * C;
        for (int plane = 0; plane < 3; ++plane) {
          T w[4];
          plane_weights(tile.u[plane][i], tile.v[plane][i], w);
          for (int row = 0; row < 2; ++row) {
            const int64_t node = tile.cell[plane][i] + row * shape.W;
            if (!band.has(node)) continue;
            T* to = g_planes + (plane * shape.nodes() + node) * C;
#pragma omp simd
            for (int64_t k = 0; k < C; ++k) to[k] += w[2 * row] * g[k];
#pragma omp simd
            for (int64_t k = 0; k < C; ++k) to[C + k] += w[2 * row + 1] * g[k];
          }
        }
      }
    };
    if (P > 0) for_tiles<T>(g_planes, shape, C, band, points, 0, P, visit);
  }
  return 0;
}

template <typename T>
int backward(const T* planes, PlaneShape shape, int64_t channels, const T* points, int64_t P,
             const T* g_out, T* g_planes, T* g_points, int64_t threads) {
  return with_channels(channels, [&](auto C) {
    if (g_planes) backward_planes(shape, C, points, P, g_out, g_planes, threads);
    if (g_points) backward_points(planes, shape, C, points, P, g_out, g_points, threads);
    return 0;
  });
}

}  // namespace

#define HEAD3D_TRIPLANE(suffix, T)                                                          \
  int head3d_triplane_fwd_##suffix(const T* planes, int64_t H, int64_t W, int64_t C,        \
                                   const T* points, int64_t P, T* out, int64_t threads) {   \
    return with_channels(C, [&](auto channels) {                                            \
      return forward(planes, {H, W}, channels, points, P, out, threads);                    \
    });                                                                                     \
  }                                                                                         \
  int head3d_triplane_bwd_##suffix(const T* planes, int64_t H, int64_t W, int64_t C,        \
                                   const T* points, int64_t P, const T* g_out, T* g_planes, \
                                   T* g_points, int64_t threads) {                          \
    return backward(planes, {H, W}, C, points, P, g_out, g_planes, g_points, threads);      \
  }
#ifdef HEAD3D_F64  // from float64/triplane.cpp
HEAD3D_TRIPLANE(f64, double)
#else
HEAD3D_TRIPLANE(f32, float)
#endif
