// Shell marching: a thread per ray.
#include "../math/march.h"
#include "launch.h"

namespace head3d::marching {

__global__ void march(MarchSettings settings, const float* grid, const float* origins,
                      const float* directions, const float* near, const float* far,
                      const float* jitter, int64_t R, int64_t* packed, float* t, int64_t* ray);

#if HEAD3D_DEVICE

__global__ void march(MarchSettings settings, const float* grid, const float* origins,
                      const float* directions, const float* near, const float* far,
                      const float* jitter, int64_t R, int64_t* packed, float* t, int64_t* ray) {
  const int64_t r = item();
  if (r >= R) return;
  int64_t at = t ? packed[2 * r] : 0;
  const int64_t count = march_ray(settings, grid, origins + 3 * r, directions + 3 * r, near[r],
                                  far[r], jitter ? jitter[r] : 0.f, [&](float distance) {
                                    if (!t) return;
                                    t[at] = distance;
                                    ray[at] = r;
                                    ++at;
                                  });
  if (!t) packed[2 * r + 1] = count;
}

#endif  // HEAD3D_DEVICE

}  // namespace head3d::marching

#if HEAD3D_HOST

using namespace head3d;
using namespace head3d::marching;

int head3d_march(const float* grid, int64_t X, int64_t Y, int64_t Z, const float* low, double cell,
                 const float* origins, const float* directions, const float* near, const float* far,
                 const float* jitter, int64_t R, double step, double half_width, int64_t most,
                 int64_t* packed, float* t, int64_t* ray, int64_t stream) {
  const MarchSettings settings{{{X, Y, Z}},  {low[0], low[1], low[2]}, float(1 / cell),
                               float(step), float(half_width),        most};
  HEAD3D_LAUNCH(march, R, 1, stream, settings, grid, origins, directions, near, far, jitter, R,
                packed, t, ray);
  return 0;
}

#endif  // HEAD3D_HOST
