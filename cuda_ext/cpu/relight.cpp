// Light on pixels of pictures on the CPU: runs of pixels, one thread each.
#include "../abi.h"
#include "../math/relight.h"

int head3d_relight(const int64_t* field, const double* numbers, const float* places,
                   const float* neutral, const float* normals, const float* albedo,
                   const float* hair, int64_t P, const float* sh, const float* lamps, int64_t L,
                   const double* settings, float* out, int64_t threads) {
  using namespace head3d;
  const RelightRule rule = relight_rule(field, numbers, sh, lamps, L, settings);
#pragma omp parallel for schedule(dynamic, 512) num_threads(threads)
  for (int64_t p = 0; p < P; ++p)
    relight_pixel(rule, places + 3 * p, neutral + 3 * p, normals + 3 * p, albedo + 3 * p, hair[p],
                  out + 3 * p);
  return 0;
}
