// Pictures of a field one ray after the other, as the CUDA kernel draws them. Only tests do, to compare: it is to compile
// in a third of the time, and may run slower.
// flags: -O0
#include "../../abi.h"
#include "../../math/field_ray.h"

using namespace head3d;

int head3d_render_singly(const int64_t* field, const double* numbers, const double* camera,
                         const double* light, const float* directions, int64_t H, int64_t W,
                         int64_t times, int64_t samples, int64_t colors, double normal_step,
                         int64_t mirror, float* rgb, float* albedo, float* normal, float* alpha,
                         float* depth, int64_t threads) {
  const Field described = described_field(field, numbers);
  const PictureRule rule = picture_rule(described, camera, light, directions, H, W, times, samples,
                                        colors, normal_step, mirror);
  const Picture picture{rgb, albedo, normal, alpha, depth};
#pragma omp parallel for schedule(dynamic) num_threads(threads)
  for (int64_t row = 0; row < H; ++row)
    for (int64_t column = 0; column < W; ++column)
      draw_pixel(described, rule, picture, row * W + column);
  return 0;
}
