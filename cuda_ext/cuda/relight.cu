// Light on pixels of pictures: a thread per pixel; neighbours walk through the same cells to the same lamps.
#include "../math/relight.h"
#include "launch.h"

namespace head3d::relight {

__global__ void light(RelightRule rule, const float* places, const float* neutral,
                      const float* normals, const float* albedo, const float* hair, int64_t P,
                      float* out);

#if HEAD3D_DEVICE

__global__ void light(RelightRule rule, const float* places, const float* neutral,
                      const float* normals, const float* albedo, const float* hair, int64_t P,
                      float* out) {
  const int64_t p = item();
  if (p < P)
    relight_pixel(rule, places + 3 * p, neutral + 3 * p, normals + 3 * p, albedo + 3 * p, hair[p],
                  out + 3 * p);
}

#endif

}  // namespace head3d::relight

#if HEAD3D_HOST
using namespace head3d;
using namespace head3d::relight;

int head3d_relight(const int64_t* field, const double* numbers, const float* places,
                   const float* neutral, const float* normals, const float* albedo,
                   const float* hair, int64_t P, const float* sh, const float* lamps, int64_t L,
                   const double* settings, float* out, int64_t stream) {
  HEAD3D_LAUNCH(light, P, 1, stream, relight_rule(field, numbers, sh, lamps, L, settings), places,
                neutral, normals, albedo, hair, P, out);
  return 0;
}
#endif
