// Loops of the hash grid over tiles of 16 points, shared by the plain and the fused encoding. A
// tile's indices and weights are computed as vectors, then its entries are fetched.
#pragma once
#include <algorithm>
#include <cstring>
#include <type_traits>
#include <vector>

#include "../math/hash_grid.h"
#include "hash_grid_wide.h"

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
void locate(const Level<T>& level, const T xyz[3][kTile], Tile<T>& tile,
            Fractions<T>* fractions = nullptr) {
  if (level.shape.hashed)
    locate_as<true>(level, xyz, tile, fractions);
  else
    locate_as<false>(level, xyz, tile, fractions);
}

template <typename T>
HEAD3D_HD void load_tile(const T* points, int64_t start, int64_t P, T xyz[3][kTile]) {
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
HEAD3D_HD void fetch(const T* entries, const Tile<T>& tile) {
  for (int i = 0; i < kTile; ++i)
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

// Encodes points [first, last), level by level: a level's entries stay near while they are in use.
template <int F, typename T>
void encode(const T* points, int64_t first, int64_t last, const T* table,
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

#if defined(__AVX512F__) && defined(__AVX512BW__)
inline wide::WideLevel wide_level(const Level<float>& level) {
  return {level.shape, level.scale, level.offset, level.smooth};
}

// Pairs of floats: 16 points at once by gathers of whole entries.
template <>
inline void encode<2, float>(const float* points, int64_t first, int64_t last, const float* table,
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
