// Shell marching: one pass counts, one fills; the caller sums the counts in between.
#include "../abi.h"
#include "../math/march.h"

int head3d_march(const float* grid, int64_t X, int64_t Y, int64_t Z, const float* low, double cell,
                 const float* origins, const float* directions, const float* near, const float* far,
                 const float* jitter, int64_t R, double step, double half_width, int64_t most,
                 int64_t* packed, float* t, int64_t* ray, int64_t threads) {
  const head3d::MarchSettings settings{{{X, Y, Z}},  {low[0], low[1], low[2]}, float(1 / cell),
                                       float(step), float(half_width),        most};
#pragma omp parallel for schedule(dynamic, 256) num_threads(threads)
  for (int64_t r = 0; r < R; ++r) {
    int64_t at = t ? packed[2 * r] : 0;
    const int64_t count = head3d::march_ray(
        settings, grid, origins + 3 * r, directions + 3 * r, near[r], far[r],
        jitter ? jitter[r] : 0.f, [&](float distance) {
          if (!t) return;
          t[at] = distance;
          ray[at] = r;
          ++at;
        });
    if (!t) packed[2 * r + 1] = count;
  }
  return 0;
}
