// The field at many points: tiles of 16 points, a row of 16 numbers per axis, feature or hidden unit. Hash levels go
// over a batch of tiles, so that a level's entries are met again while they are near; networks follow while the
// features are.
#pragma once
#include "../math/field.h"
#include "hash_grid_tile.h"
#include "mlp_loops.h"

namespace head3d {

struct alignas(64) PointTile {
  float p[3][kTile];  // head frame, m
};

HEAD3D_HD float& axis_of(PointTile* points, int64_t i, int axis) {
  return points[i / kTile].p[axis][i % kTile];
}

// Fills the last tile with copies of the last of `count` points.
inline void pad_points(PointTile* points, int64_t count) {
  for (int64_t i = count; i % kTile != 0; ++i)
    for (int a = 0; a < 3; ++a) axis_of(points, i, a) = axis_of(points, count - 1, a);
}

inline int64_t tiles_of(int64_t points) { return (points + kTile - 1) / kTile; }

// Cells of a tile of points: lowest node, and weights of the upper ones.
struct alignas(64) CellTile {
  float w[3][kTile];
  int32_t at[kTile];
};

HEAD3D_ONCE void locate_cells(const FieldVolume& volume, const PointTile& points, CellTile& cells) {
  int32_t cell[3][kTile];
#pragma GCC unroll 3
  for (int a = 0; a < 3; ++a) {
    const int64_t nodes = volume.n[a];
    const float origin = volume.origin[a], inverse = volume.inverse_cell;
#pragma omp simd
    for (int i = 0; i < kTile; ++i)
      cell[a][i] = grid_axis(nodes, (points.p[a][i] - origin) * inverse, cells.w[a][i]);
  }
  const int32_t row = volume.row(), slab = volume.slab();
#pragma omp simd
  for (int i = 0; i < kTile; ++i) cells.at[i] = cell[2][i] * slab + cell[1][i] * row + cell[0][i];
}

HEAD3D_ONCE void read_cells(const FieldVolume& volume, int channel, const CellTile& cells,
                            float* out) {
  const float* values = volume.channel(channel);
  const int32_t row = volume.row(), slab = volume.slab();
#pragma omp simd
  for (int i = 0; i < kTile; ++i)
    out[i] = cell_value(values, row, slab, cells.at[i], cells.w[0][i], cells.w[1][i],
                        cells.w[2][i]);
}

inline void read_volume(const FieldVolume& volume, int channel, const PointTile& points,
                        float* out) {
  CellTile cells;
  locate_cells(volume, points, cells);
  read_cells(volume, channel, cells, out);
}

// Undoes an expression: the volume ends in zeros, and what lies outside stays.
HEAD3D_ONCE void to_neutral(const FieldVolume& deform, PointTile& points) {
  if (!deform.values) return;
  bool inside[kTile], any = false;
  for (int i = 0; i < kTile; ++i) {
    inside[i] = true;
    for (int a = 0; a < 3; ++a) {
      const float node = (points.p[a][i] - deform.origin[a]) * deform.inverse_cell;
      inside[i] &= (node >= 0.f) & (node <= float(deform.n[a] - 1));
    }
    any |= inside[i];
  }
  if (!any) return;
  CellTile cells;
  locate_cells(deform, points, cells);
  float moved[3][kTile];
  for (int a = 0; a < 3; ++a) read_cells(deform, a, cells, moved[a]);
  for (int a = 0; a < 3; ++a)
    for (int i = 0; i < kTile; ++i) points.p[a][i] += inside[i] ? moved[a][i] : 0.f;
}

constexpr int64_t kFieldTiles = 16;  // of a batch: its features and hidden units stay in L1 and L2

// One network with its grid. Weights are kept with the bias as last column; its input is a row of ones.
class NetLoops {
 public:
  HEAD3D_ONCE NetLoops(const FieldNet& net, int outputs)
      : net_(net), inputs_(net.width()), rows_(net.width() + 1), out8_((outputs + 7) / 8 * 8) {
    first_.resize(net.hidden * rows_);
    second_.assign(out8_ * net.hidden, 0.f);
    for (int64_t h = 0; h < net.hidden; ++h) {
      std::copy_n(net.weight_in + h * inputs_, inputs_, first_.data() + h * rows_);
      first_[h * rows_ + inputs_] = net.bias_in[h];
    }
    std::copy_n(net.weight_out, outputs * net.hidden, second_.data());
    for (int l = 0; l < net.levels; ++l)
      levels_.push_back({net.level[l], net.scale[l], net.offset[l], net.smooth});
    features_.assign(kFieldTiles * rows_ * kTile, 1.f);
    hidden_.resize(net.hidden * kTile);
    out_.resize(out8_ * kTile);
  }

  // Calls visit(tile, outputs (O 16)) for every tile; at most kFieldTiles.
  template <typename Visit>
  void run(const PointTile* points, int64_t tiles, float box_scale, const Visit& visit) {
    encode(points, tiles, box_scale);
    for (int64_t k = 0; k < tiles; ++k) {
      apply(k);
      visit(k, out_.data());
    }
  }

 private:
  HEAD3D_ONCE void encode(const PointTile* points, int64_t tiles, float box_scale) {
    for (int64_t k = 0; k < tiles; ++k)
      for (int a = 0; a < 3; ++a)
        for (int i = 0; i < kTile; ++i)
          unit_[k].p[a][i] = clamp(points[k].p[a][i] * box_scale + 0.5f, 0.f, 1.f);
    for_features(net_.features, [&](auto width) { encode_tiles<decltype(width)::value>(tiles); });
  }

  HEAD3D_ONCE void apply(int64_t tile) {
    const int64_t hidden = net_.hidden;
    const float* none = nullptr;
    multiply(first_.data(), rows_, int64_t(1), hidden, rows_,
             features_.data() + tile * rows_ * kTile, int64_t(kTile), hidden_.data(), none, false);
    for (int64_t i = 0; i < hidden * kTile; ++i) hidden_[i] = most(hidden_[i], 0.f);
    multiply(second_.data(), hidden, int64_t(1), out8_, hidden, hidden_.data(), int64_t(kTile),
             out_.data(), none, false);
  }

  template <int F>
  void encode_tiles(int64_t tiles) {
    for (size_t l = 0; l < levels_.size(); ++l) {
      const float* entries = net_.table + levels_[l].offset * F;
      Tile<float> ahead[2];
      locate(levels_[l], unit_[0].p, ahead[0]);
      fetch<F>(entries, ahead[0]);
      for (int64_t k = 0; k < tiles; ++k) {
        if (k + 1 < tiles) {
          locate(levels_[l], unit_[k + 1].p, ahead[(k + 1) & 1]);
          fetch<F>(entries, ahead[(k + 1) & 1]);
        }
        float* out = features_.data() + (k * rows_ + int64_t(l) * F) * kTile;
        float sums[kTile * F];
        sum_tile<F>(entries, ahead[k & 1], kTile, sums, F);
        for (int f = 0; f < F; ++f)
          for (int i = 0; i < kTile; ++i) out[f * kTile + i] = sums[i * F + f];
      }
    }
  }

  const FieldNet net_;
  const int64_t inputs_, rows_, out8_;
  std::vector<Level<float>> levels_;
  std::vector<float> first_, second_, features_, hidden_, out_;
  PointTile unit_[kFieldTiles];
};

// Signed distance at many points, with the scratch of one thread.
class SdfLoops {
 public:
  explicit SdfLoops(const Field& field) : field_(field), net_(field.geometry, 1) {}

  // Signed distance, m, in tiles; without base only the learned residual. If phi is given, also the logistic of the
  // distance over the surface's blur there.
  HEAD3D_ONCE void run(const PointTile* points, int64_t tiles, float* out, bool base = true,
                       float* phi = nullptr) {
    for (int64_t first = 0; first < tiles; first += kFieldTiles) {
      const int64_t count = std::min(kFieldTiles, tiles - first);
      net_.run(points + first, count, field_.box_scale, [&](int64_t k, const float* raw) {
        const PointTile& at = points[first + k];
        float* value = out + (first + k) * kTile;
        CellTile cells;
        float reach[kTile], soft[kTile], ground[kTile] = {};
        locate_cells(field_.traits, at, cells);
        read_cells(field_.traits, 0, cells, reach);
        if (phi) read_cells(field_.traits, 1, cells, soft);
        if (base) read_volume(field_.shape, 0, at, ground);
        const float unit = field_.unit, sd = field_.sd;
#pragma omp simd
        for (int i = 0; i < kTile; ++i)
          value[i] = ground[i] + bounded_residual(raw[i], unit, reach[i]);
        if (!phi) return;
        float* chance = phi + (first + k) * kTile;
#pragma omp simd
        for (int i = 0; i < kTile; ++i) chance[i] = logistic(value[i] / (sd * soft[i]));
      });
    }
  }

 private:
  const Field field_;
  NetLoops net_;
};

}  // namespace head3d
