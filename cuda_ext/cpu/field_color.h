// Albedo and residual radiance at many points; places no photo saw take the albedo of the mirrored place.
#pragma once
#include "field_loops.h"

namespace head3d {

class ColorLoops {
 public:
  // room: points of one call.
  ColorLoops(const Field& field, int64_t room)
      : field_(field),
        net_(field.color, 6),
        mirrored_(tiles_of(room)),
        source_(room),
        seen_(tiles_of(room) * kTile),
        share_(tiles_of(room) * kTile),
        other_(3 * tiles_of(room) * kTile) {}

  // Of `count` points in padded tiles: albedo (tiles 3 16) and residual (tiles 3 16).
  void run(const PointTile* points, int64_t count, bool mirror, float* albedo, float* residual) {
    look_up(points, tiles_of(count), albedo, residual, seen_.data());
    if (mirror) fill_unseen(points, count, albedo);
  }

  static int64_t place(int64_t i, int channel) {
    return (3 * (i / kTile) + channel) * kTile + i % kTile;
  }

 private:
  // residual and seen may be null.
  HEAD3D_ONCE void look_up(const PointTile* points, int64_t tiles, float* albedo, float* residual,
                           float* seen) {
    for (int64_t first = 0; first < tiles; first += kFieldTiles) {
      const int64_t count = std::min(kFieldTiles, tiles - first);
      net_.run(points + first, count, field_.box_scale, [&](int64_t k, const float* raw) {
        const int64_t tile = first + k;
        CellTile cells;
        float base[4][kTile];
        locate_cells(field_.paint, points[tile], cells);
        for (int c = 0; c < 4; ++c) read_cells(field_.paint, c, cells, base[c]);
        for (int c = 0; c < 3; ++c) {
          float* to = albedo + (3 * tile + c) * kTile;
          const float* own = raw + c * kTile;
#pragma omp simd
          for (int i = 0; i < kTile; ++i) to[i] = logistic(base[c][i] + own[i] * base[3][i]);
          if (!residual) continue;
          const float largest = field_.residual;
          float* more = residual + (3 * tile + c) * kTile;
          const float* extra = raw + (3 + c) * kTile;
#pragma omp simd
          for (int i = 0; i < kTile; ++i) more[i] = largest * quick_tanh(extra[i] * base[3][i]);
        }
        if (seen) std::copy_n(base[3], kTile, seen + tile * kTile);
      });
    }
  }

  HEAD3D_ONCE void fill_unseen(const PointTile* points, int64_t count, float* albedo) {
    int64_t unseen = 0;
    for (int64_t i = 0; i < count; ++i) {
      if (!(1.f - seen_[i] > kFill)) continue;
      for (int a = 0; a < 3; ++a) {
        const float own = points[i / kTile].p[a][i % kTile];
        axis_of(mirrored_.data(), unseen, a) = a == 0 ? -own : own;
      }
      source_[unseen++] = int32_t(i);
    }
    if (unseen == 0) return;
    pad_points(mirrored_.data(), unseen);
    for (int64_t k = 0; k < tiles_of(unseen); ++k)
      read_volume(field_.paint, 3, mirrored_[k], share_.data() + k * kTile);
    int64_t kept = 0;  // where the other side was seen
    for (int64_t j = 0; j < unseen; ++j) {
      const float share = (1.f - seen_[source_[j]]) * share_[j];
      if (!(share > kFill)) continue;
      for (int a = 0; a < 3; ++a)
        axis_of(mirrored_.data(), kept, a) = axis_of(mirrored_.data(), j, a);
      source_[kept] = source_[j];
      share_[kept++] = share;
    }
    if (kept == 0) return;
    pad_points(mirrored_.data(), kept);
    look_up(mirrored_.data(), tiles_of(kept), other_.data(), nullptr, nullptr);
    for (int64_t j = 0; j < kept; ++j)
      for (int c = 0; c < 3; ++c) {
        float& own = albedo[place(source_[j], c)];
        own = own * (1.f - share_[j]) + other_[place(j, c)] * share_[j];
      }
  }

  const Field field_;
  NetLoops net_;
  std::vector<PointTile> mirrored_;
  std::vector<int32_t> source_;
  std::vector<float> seen_, share_, other_;
};

}  // namespace head3d
