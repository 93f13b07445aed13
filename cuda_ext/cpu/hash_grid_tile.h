// Hash grid lookups of 16 points: their indices and weights are computed as vectors, then the
// entries are fetched. What does not depend on F is compiled once, not into every loop around it: a
// call costs nothing beside 128 entries.
#pragma once
#include <algorithm>
#include <type_traits>

#include "../math/hash_grid.h"

namespace head3d {

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

// One axis of a tile: terms of the lower and upper corners, and the weight of the upper.
template <typename T>
struct Axis {
  uint32_t term[2][kTile];
  T w[kTile];
};

template <bool kHashed, int kAxis, typename T>
HEAD3D_HD void locate_axis(const Level<T>& level, const T* x, Axis<T>& axis,
                           Fractions<T>* fractions) {
  const HashLevel shape{level.shape.resolution, level.shape.entries, kHashed};
  const T scale = level.scale;
  const bool smooth = level.smooth;
#pragma omp simd
  for (int i = 0; i < kTile; ++i) {
    T t;
    const uint32_t cell = grid_cell(x[i], scale, t);
    axis.term[0][i] = grid_term(shape, kAxis, cell);
    axis.term[1][i] = grid_term(shape, kAxis, cell + 1);
    axis.w[i] = grid_weight(t, smooth);
    if (fractions) {
      const bool inside = (x[i] >= T(0)) & (x[i] <= T(1));
      fractions->w[kAxis][i] = grid_weight(t, smooth);
      fractions->slope[kAxis][i] = inside ? scale * grid_weight_slope(t, smooth) : T(0);
    }
  }
}

// The loops are kept this small because only so are they turned into vector code.
template <bool kHashed, typename T>
HEAD3D_HD void locate_as(const Level<T>& level, const T xyz[3][kTile], Tile<T>& tile,
                         Fractions<T>* fractions) {
  const HashLevel shape{level.shape.resolution, level.shape.entries, kHashed};
  Axis<T> x, y, z;
  locate_axis<kHashed, 0>(level, xyz[0], x, fractions);
  locate_axis<kHashed, 1>(level, xyz[1], y, fractions);
  locate_axis<kHashed, 2>(level, xyz[2], z, fractions);
#pragma GCC unroll 8
  for (int c = 0; c < 8; ++c) {
#pragma omp simd
    for (int i = 0; i < kTile; ++i) {
      tile.entry[c][i] =
          grid_join(shape, x.term[c & 1][i], y.term[c >> 1 & 1][i], z.term[c >> 2][i]);
      tile.weight[c][i] = corner_weight(c, x.w[i], y.w[i], z.w[i]);
    }
  }
}

template <typename T>
HEAD3D_ONCE void locate(const Level<T>& level, const T xyz[3][kTile], Tile<T>& tile,
                        Fractions<T>* fractions = nullptr) {
  if (level.shape.hashed)
    locate_as<true>(level, xyz, tile, fractions);
  else
    locate_as<false>(level, xyz, tile, fractions);
}

template <typename T>
HEAD3D_ONCE void load_tile(const T* points, int64_t start, int64_t P, T xyz[3][kTile]) {
  const int64_t count = std::min<int64_t>(kTile, P - start);
  const T* p = points + 3 * start;
  if (count == kTile) {
    for (int i = 0; i < kTile; ++i)
      for (int a = 0; a < 3; ++a) xyz[a][i] = p[3 * i + a];
    return;
  }
  for (int i = 0; i < kTile; ++i)
    for (int a = 0; a < 3; ++a) xyz[a][i] = i < count ? p[3 * i + a] : T(0);
}

// The F numbers of an entry, moved and multiplied as one.
template <int F, typename T>
struct Entry {
  typedef T type __attribute__((vector_size(F * sizeof(T)), aligned(alignof(T)), may_alias));
};
template <typename T>
struct Entry<1, T> {
  typedef T type;
};

template <int F, typename T>
HEAD3D_HD typename Entry<F, T>::type& entry_at(T* p) {
  return *reinterpret_cast<typename Entry<F, T>::type*>(p);
}
template <int F, typename T>
HEAD3D_HD const typename Entry<F, T>::type& entry_at(const T* p) {
  return *reinterpret_cast<const typename Entry<F, T>::type*>(p);
}

// Asks for the entries of a tile before they are needed; the 128 misses then overlap.
template <int F, typename T>
HEAD3D_ONCE void fetch(const T* entries, const Tile<T>& tile) {
#pragma GCC unroll 1
  for (int i = 0; i < kTile; ++i)
#pragma GCC unroll 8
    for (int c = 0; c < 8; ++c) __builtin_prefetch(entries + int64_t(tile.entry[c][i]) * F);
}

template <int F, typename T>
HEAD3D_HD void sum_tile(const T* entries, const Tile<T>& tile, int count, T* out, int64_t stride) {
  for (int i = 0; i < count; ++i) {
    typename Entry<F, T>::type even{}, odd{};  // two sums: half the wait for each multiply-add
#pragma GCC unroll 4
    for (int c = 0; c < 8; c += 2) {
      even += tile.weight[c][i] * entry_at<F>(entries + int64_t(tile.entry[c][i]) * F);
      odd += tile.weight[c + 1][i] * entry_at<F>(entries + int64_t(tile.entry[c + 1][i]) * F);
    }
    entry_at<F>(out + i * stride) = even + odd;
  }
}

template <typename Run>
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

}  // namespace head3d
