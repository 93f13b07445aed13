// Hash grid on the CPU. Tiles of 16 points: indices and weights of a tile are computed as vectors, then the entries
// are fetched; the next tile's indices are ready and its lines prefetched while this one's values are summed.
// Backward to the table: a level belongs to one thread, so no two threads meet and the sum has one order.
#include "../math/hash_grid.h"

#include <algorithm>
#include <cstring>
#include <type_traits>
#include <vector>

#include "../abi.h"
#include "../math/adam.h"

namespace {

using namespace head3d;
constexpr int kTile = 16;

template <typename T>
struct Tile {
  uint32_t entry[8][kTile];
  T weight[8][kTile];
};

template <typename T>
struct Fractions {
  T w[3][kTile], slope[3][kTile];
};

template <typename T>
struct Level {
  HashLevel shape;
  T scale;
  int64_t offset;
  bool smooth;
};

template <typename T>
std::vector<Level<T>> levels_of(const double* scales, const int64_t* layout, int64_t L,
                                int64_t smooth) {
  std::vector<Level<T>> levels(L);
  for (int64_t l = 0; l < L; ++l) {
    const int64_t resolution = layout[3 * l], entries = layout[3 * l + 2];
    const bool hashed = resolution * resolution * resolution > entries;
    levels[l] = {{uint32_t(resolution), uint32_t(entries), hashed},
                 T(scales[l]),
                 layout[3 * l + 1],
                 smooth != 0};
  }
  return levels;
}

template <typename T>
HEAD3D_HD void load_tile(const T* points, int64_t start, int64_t P, T xyz[3][kTile]) {
  const int64_t count = std::min<int64_t>(kTile, P - start);
  for (int i = 0; i < kTile; ++i)
    for (int a = 0; a < 3; ++a) xyz[a][i] = i < count ? points[3 * (start + i) + a] : T(0);
}

template <bool kHashed, typename T>
HEAD3D_HD void locate_as(const Level<T>& level, const T xyz[3][kTile], Tile<T>& tile,
                         Fractions<T>* fractions) {
  const HashLevel shape{level.shape.resolution, level.shape.entries, kHashed};
#pragma omp simd
  for (int i = 0; i < kTile; ++i) {
    T t[3], w[3];
    uint32_t cell[3];
    for (int a = 0; a < 3; ++a) {
      cell[a] = grid_cell(xyz[a][i], level.scale, t[a]);
      w[a] = grid_weight(t[a], level.smooth);
    }
    for (int c = 0; c < 8; ++c) {
      tile.entry[c][i] =
          grid_entry(shape, cell[0] + (c & 1), cell[1] + (c >> 1 & 1), cell[2] + (c >> 2));
      tile.weight[c][i] = corner_weight(c, w[0], w[1], w[2]);
    }
    if (fractions) {
      for (int a = 0; a < 3; ++a) {
        const bool inside = (xyz[a][i] >= T(0)) & (xyz[a][i] <= T(1));
        fractions->w[a][i] = w[a];
        fractions->slope[a][i] =
            inside ? level.scale * grid_weight_slope(t[a], level.smooth) : T(0);
      }
    }
  }
}

template <typename T>
void locate(const Level<T>& level, const T xyz[3][kTile], Tile<T>& tile,
            Fractions<T>* fractions = nullptr) {
  if (level.shape.hashed)
    locate_as<true>(level, xyz, tile, fractions);
  else
    locate_as<false>(level, xyz, tile, fractions);
}

template <int F, typename T>
void forward(const T* points, int64_t P, const T* table, const std::vector<Level<T>>& levels,
             T* out, int64_t threads) {
  const int64_t L = int64_t(levels.size()), chunk = 1024;  // 1024: the chunk's output stays in L2
#pragma omp parallel for schedule(dynamic) num_threads(threads)
  for (int64_t first = 0; first < P; first += chunk) {
    const int64_t last = std::min(P, first + chunk);
    for (int64_t l = 0; l < L; ++l) {
      const T* entries = table + levels[l].offset * F;
      for (int64_t start = first; start < last; start += kTile) {
        Tile<T> tile;
        T xyz[3][kTile];
        load_tile(points, start, last, xyz);
        locate(levels[l], xyz, tile);
        const int count = int(std::min<int64_t>(kTile, last - start));
        for (int i = 0; i < count; ++i) {
          T sum[F] = {};
          for (int c = 0; c < 8; ++c) {
            const T* entry = entries + int64_t(tile.entry[c][i]) * F;
            for (int f = 0; f < F; ++f) sum[f] += tile.weight[c][i] * entry[f];
          }
          std::memcpy(out + ((start + i) * L + l) * F, sum, sizeof(sum));
        }
      }
    }
  }
}

template <int F, typename T>
void backward_table(const T* points, int64_t P, const std::vector<Level<T>>& levels,
                    const T* g_out, T* g_table, int64_t threads) {
  const int64_t L = int64_t(levels.size());
#pragma omp parallel for schedule(dynamic, 1) num_threads(threads)
  for (int64_t order = 0; order < L; ++order) {
    const int64_t l = L - 1 - order;  // the large levels take longest: first
    T* entries = g_table + levels[l].offset * F;
    for (int64_t start = 0; start < P; start += kTile) {
      Tile<T> tile;
      T xyz[3][kTile];
      load_tile(points, start, P, xyz);
      locate(levels[l], xyz, tile);
      const int count = int(std::min<int64_t>(kTile, P - start));
      for (int i = 0; i < count; ++i) {
        const T* g = g_out + ((start + i) * L + l) * F;
        for (int c = 0; c < 8; ++c) {
          T* entry = entries + int64_t(tile.entry[c][i]) * F;
          for (int f = 0; f < F; ++f) entry[f] += tile.weight[c][i] * g[f];
        }
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

template <typename T, typename Run>
int for_features(int64_t F, const Run& run) {
  switch (F) {
    case 1:
      return run(std::integral_constant<int, 1>()), 0;
    case 2:
      return run(std::integral_constant<int, 2>()), 0;
    case 4:
      return run(std::integral_constant<int, 4>()), 0;
    case 8:
      return run(std::integral_constant<int, 8>()), 0;
  }
  return 1;
}

template <typename T>
int hash_grid_fwd(const T* points, int64_t P, const T* table, const double* scales,
                  const int64_t* layout, int64_t L, int64_t F, int64_t smooth, T* out,
                  int64_t threads) {
  const auto levels = levels_of<T>(scales, layout, L, smooth);
  return for_features<T>(F, [&](auto width) {
    forward<decltype(width)::value>(points, P, table, levels, out, threads);
  });
}

template <typename T>
int hash_grid_bwd(const T* points, int64_t P, const T* table, const double* scales,
                  const int64_t* layout, int64_t L, int64_t F, int64_t smooth, const T* g_out,
                  T* g_table, T* g_points, int64_t threads) {
  const auto levels = levels_of<T>(scales, layout, L, smooth);
  return for_features<T>(F, [&](auto width) {
    constexpr int kF = decltype(width)::value;
    if (g_table) backward_table<kF>(points, P, levels, g_out, g_table, threads);
    if (g_points) backward_points<kF>(points, P, table, levels, g_out, g_points, threads);
  });
}

}  // namespace

#define HEAD3D_HASH_GRID(suffix, T)                                                             \
  int head3d_hash_grid_fwd_##suffix(const T* points, int64_t P, const T* table,                 \
                                    const double* scales, const int64_t* layout, int64_t L,     \
                                    int64_t F, int64_t smooth, T* out, int64_t threads) {       \
    return hash_grid_fwd(points, P, table, scales, layout, L, F, smooth, out, threads);         \
  }                                                                                             \
  int head3d_hash_grid_bwd_##suffix(                                                            \
      const T* points, int64_t P, const T* table, const double* scales, const int64_t* layout,  \
      int64_t L, int64_t F, int64_t smooth, const T* g_out, T* g_table, T* g_points,            \
      int64_t threads) {                                                                        \
    return hash_grid_bwd(points, P, table, scales, layout, L, F, smooth, g_out, g_table,        \
                         g_points, threads);                                                    \
  }
HEAD3D_HASH_GRID(f32, float)
HEAD3D_HASH_GRID(f64, double)

int head3d_adam_touched(float* table, int64_t E, int64_t F, float* gradient, float* first,
                        float* second, double rate, double beta1, double beta2, double correction2,
                        double epsilon, int64_t threads) {
  const head3d::AdamStep step{float(rate), float(beta1), float(beta2), float(correction2),
                              float(epsilon)};
#pragma omp parallel for schedule(static) num_threads(threads)
  for (int64_t e = 0; e < E; ++e) {
    float* g = gradient + e * F;
    bool touched = false;
    for (int64_t f = 0; f < F; ++f) touched |= g[f] != 0.f;
    if (!touched) continue;
    for (int64_t f = 0; f < F; ++f) {
      const int64_t i = e * F + f;
      table[i] += head3d::adam(step, g[f], first[i], second[i]);
    }
  }
  return 0;
}
