// Trilinear lookup in a dense grid (X Y Z C), nodes on the corners of the unit cube. Tiles of 16 points: cells and
// weights are computed as vectors, and the next tile's nodes are on their way while this one's are summed.
#include "../math/grid_sample.h"

#include <algorithm>

#include "../abi.h"

namespace {

using namespace head3d;
constexpr int kTile = 16;

template <typename T>
struct Tile {
  int64_t node[kTile];  // of the cell's lowest corner
  T w[3][kTile];
  int count;
};

struct Steps {
  int64_t x, y;  // between nodes, in nodes; along z it is 1
  int64_t corner(int c) const { return (c & 1) * x + (c >> 1 & 1) * y + (c >> 2); }
};

template <typename T>
HEAD3D_ONCE void locate(GridShape shape, const T* points, int64_t start, int64_t P, Tile<T>& tile) {
  tile.count = int(std::min<int64_t>(kTile, P - start));
  T position[3][kTile];
  for (int i = 0; i < kTile; ++i) {
    const int64_t p = start + (i < tile.count ? i : 0);
    for (int a = 0; a < 3; ++a) position[a][i] = points[3 * p + a];
  }
  int32_t cell[3][kTile];
#pragma GCC unroll 3
  for (int a = 0; a < 3; ++a) {
    const int64_t nodes = shape.n[a];
#pragma omp simd
    for (int i = 0; i < kTile; ++i)
      cell[a][i] = grid_axis(nodes, position[a][i] * T(nodes - 1), tile.w[a][i]);
  }
#pragma omp simd
  for (int i = 0; i < kTile; ++i)
    tile.node[i] = (cell[0][i] * shape.n[1] + cell[1][i]) * shape.n[2] + cell[2][i];
}

template <typename T>
HEAD3D_HD void fetch(const T* grid, int64_t C, Steps steps, const Tile<T>& tile) {
  for (int i = 0; i < kTile; ++i)
    for (int c = 0; c < 4; ++c)  // the upper node along z lies beside the lower
      __builtin_prefetch(grid + (tile.node[i] + steps.corner(c)) * C);
}

// Calls visit(first point, tile) for the tiles of points [first, last), each fetched one tile ahead.
template <typename T, typename Visit>
void for_tiles(const T* grid, GridShape shape, int64_t C, const T* points, int64_t first,
               int64_t last, const Visit& visit) {
  const Steps steps{shape.n[1] * shape.n[2], shape.n[2]};
  Tile<T> tiles[2];
  locate(shape, points, first, last, tiles[0]);
  fetch(grid, C, steps, tiles[0]);
  int now = 0;
  for (int64_t start = first; start < last; start += kTile, now ^= 1) {
    if (start + kTile < last) {
      locate(shape, points, start + kTile, last, tiles[now ^ 1]);
      fetch(grid, C, steps, tiles[now ^ 1]);
    }
    visit(start, steps, tiles[now]);
  }
}

constexpr int64_t kChunk = 1024;  // points between two hand-outs to the threads

template <typename T>
int forward(const T* grid, GridShape shape, int64_t C, const T* points, int64_t P, T* out,
            int64_t threads) {
#pragma omp parallel for schedule(static) num_threads(threads)
  for (int64_t first = 0; first < P; first += kChunk) {
    const auto visit = [&](int64_t start, Steps steps, const Tile<T>& tile) {
      for (int i = 0; i < tile.count; ++i) {
        T* value = out + (start + i) * C;
        const T* base = grid + tile.node[i] * C;
        T weight[8];
        for (int c = 0; c < 8; ++c)
          weight[c] = corner_weight(c, tile.w[0][i], tile.w[1][i], tile.w[2][i]);
        for (int64_t k = 0; k < C; ++k) {
          T sum = T(0);
          for (int c = 0; c < 8; ++c) sum += weight[c] * base[steps.corner(c) * C + k];
          value[k] = sum;
        }
      }
    };
    for_tiles(grid, shape, C, points, first, std::min(P, first + kChunk), visit);
  }
  return 0;
}

template <typename T>
void backward_points(const T* grid, GridShape shape, int64_t C, const T* points, int64_t P,
                     const T* g_out, T* g_points, int64_t threads) {
#pragma omp parallel for schedule(static) num_threads(threads)
  for (int64_t first = 0; first < P; first += kChunk) {
    const auto visit = [&](int64_t start, Steps steps, const Tile<T>& tile) {
      for (int i = 0; i < tile.count; ++i) {
        const int64_t p = start + i;
        const T* base = grid + tile.node[i] * C;
        T value[8], slope[3];
        for (int c = 0; c < 8; ++c) {
          value[c] = 0;
          for (int64_t k = 0; k < C; ++k)
            value[c] += base[steps.corner(c) * C + k] * g_out[p * C + k];
        }
        corner_weights_vjp(value, tile.w[0][i], tile.w[1][i], tile.w[2][i], slope);
        for (int a = 0; a < 3; ++a) {
          const bool inside = points[3 * p + a] >= T(0) && points[3 * p + a] <= T(1);
          g_points[3 * p + a] = inside ? slope[a] * T(shape.n[a] - 1) : T(0);
        }
      }
    };
    for_tiles(grid, shape, C, points, first, std::min(P, first + kChunk), visit);
  }
}

// Each thread owns slabs of x and walks all points: no two threads meet, and the sum has one order.
template <typename T>
void backward_grid(GridShape shape, int64_t C, const T* points, int64_t P, const T* g_out,
                   T* g_grid, int64_t threads) {
  const int64_t slab = shape.n[1] * shape.n[2];
#pragma omp parallel for schedule(static, 1) num_threads(threads)
  for (int64_t s = 0; s < threads; ++s) {
    const int64_t low = shape.n[0] * s / threads * slab;
    const int64_t high = shape.n[0] * (s + 1) / threads * slab;
    const auto visit = [&](int64_t start, Steps steps, const Tile<T>& tile) {
      for (int i = 0; i < tile.count; ++i) {
        const T* g = g_out + (start + i) * C;
        for (int c = 0; c < 8; ++c) {
          const int64_t node = tile.node[i] + steps.corner(c);
          if (node < low || node >= high) continue;
          const T weight = corner_weight(c, tile.w[0][i], tile.w[1][i], tile.w[2][i]);
          for (int64_t k = 0; k < C; ++k) g_grid[node * C + k] += weight * g[k];
        }
      }
    };
    if (P > 0) for_tiles<T>(g_grid, shape, C, points, 0, P, visit);
  }
}

template <typename T>
int backward(const T* grid, GridShape shape, int64_t C, const T* points, int64_t P, const T* g_out,
             T* g_grid, T* g_points, int64_t threads) {
  if (g_grid) backward_grid(shape, C, points, P, g_out, g_grid, threads);
  if (g_points) backward_points(grid, shape, C, points, P, g_out, g_points, threads);
  return 0;
}

}  // namespace

#define HEAD3D_GRID_SAMPLE(suffix, T)                                                            \
  int head3d_grid_sample3_fwd_##suffix(const T* grid, int64_t X, int64_t Y, int64_t Z, int64_t C, \
                                       const T* points, int64_t P, T* out, int64_t threads) {    \
    return forward(grid, {{X, Y, Z}}, C, points, P, out, threads);                               \
  }                                                                                              \
  int head3d_grid_sample3_bwd_##suffix(const T* grid, int64_t X, int64_t Y, int64_t Z, int64_t C, \
                                       const T* points, int64_t P, const T* g_out, T* g_grid,    \
                                       T* g_points, int64_t threads) {                           \
    return backward(grid, {{X, Y, Z}}, C, points, P, g_out, g_grid, g_points, threads);          \
  }
#ifdef HEAD3D_F64  // from float64/grid_sample.cpp
HEAD3D_GRID_SAMPLE(f64, double)
#else
HEAD3D_GRID_SAMPLE(f32, float)
#endif
