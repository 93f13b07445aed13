// Pictures and signed distances of a field on the CPU. Threads take squares of pixels, or runs of points, one after
// the other; none depends on another.
#include "../abi.h"
#include "render_square.h"

namespace {

using namespace head3d;
constexpr int64_t kSide = 16;  // rays along a square's side: they fill tiles and share hash entries
constexpr int64_t kPoints = 4096;

void draw_squares(const Field& field, const PictureRule& rule, const Picture& picture,
                  int64_t threads) {
  const int64_t side = std::max<int64_t>(1, kSide / rule.times);
  const int64_t across = (rule.width + side - 1) / side, down = (rule.height + side - 1) / side;
#pragma omp parallel num_threads(threads)
  {
    Square square(field, rule, side * side * rule.times * rule.times);
#pragma omp for schedule(dynamic)
    for (int64_t k = 0; k < across * down; ++k) {
      const int64_t row = k / across * side, column = k % across * side;
      square.draw(picture, row, column, std::min(side, rule.height - row),
                  std::min(side, rule.width - column));
    }
  }
}

// Its loops over levels become long vector code: once, not in every function below.
HEAD3D_ONCE Field describe(const int64_t* field, const double* numbers) {
  return described_field(field, numbers);
}

}  // namespace

int head3d_render_field(const int64_t* field, const double* numbers, const double* camera,
                        const double* light, const float* directions, int64_t H, int64_t W,
                        int64_t times, int64_t samples, int64_t colors, double normal_step,
                        int64_t mirror, float* rgb, float* albedo, float* normal, float* alpha,
                        float* depth, int64_t threads) {
  const Field described = describe(field, numbers);
  const PictureRule rule = picture_rule(described, camera, light, directions, H, W, times, samples,
                                        colors, normal_step, mirror);
  const Picture picture{rgb, albedo, normal, alpha, depth};
  draw_squares(described, rule, picture, threads);
  return 0;
}

int head3d_field_march(const int64_t* field, const double* numbers, const float* origins,
                       const float* directions, const float* jitter, int64_t R, int64_t samples,
                       float* t, bool* valid, int64_t threads) {
  const Field described = describe(field, numbers);
  const MarchRule rule = march_rule(described.sd);
#pragma omp parallel num_threads(threads)
  {
    MarchLoops march(described, rule, kPoints);
    std::vector<PointTile> points(tiles_of(kPoints));
#pragma omp for schedule(dynamic)
    for (int64_t first = 0; first < R; first += kPoints) {
      const int64_t count = std::min(kPoints, R - first);
      march.restart();
      for (int64_t r = 0; r < count; ++r)
        march.add(r, origins + 3 * (first + r), directions + 3 * (first + r));
      march.approach();
      for (int64_t r = 0; jitter && r < count; ++r) march.shift(r, jitter[first + r] * rule.step);
      for (int64_t k = 0; k < samples && march.next(points.data()) > 0; ++k)
        march.step(points.data(), [&](int64_t, int64_t r, float place) {
          t[(first + r) * samples + k] = place;
          return valid[(first + r) * samples + k] = true;
        });
    }
  }
  return 0;
}

int head3d_field_sdf(const int64_t* field, const double* numbers, const float* points, int64_t P,
                     int64_t base, float* out, int64_t threads) {
  const Field described = describe(field, numbers);
#pragma omp parallel num_threads(threads)
  {
    SdfLoops loops(described);
    std::vector<PointTile> tiles(tiles_of(kPoints));
    std::vector<float> values(kPoints);
#pragma omp for schedule(dynamic)
    for (int64_t first = 0; first < P; first += kPoints) {
      const int64_t count = std::min(kPoints, P - first);
      for (int64_t i = 0; i < count; ++i)
        for (int a = 0; a < 3; ++a) axis_of(tiles.data(), i, a) = points[3 * (first + i) + a];
      pad_points(tiles.data(), count);
      loops.run(tiles.data(), tiles_of(count), values.data(), base != 0);
      std::copy_n(values.data(), count, out + first);
    }
  }
  return 0;
}
