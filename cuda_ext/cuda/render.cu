// Pictures, samples and signed distances of a field: a thread per pixel, ray or point. Neighbours in a warp walk
// through the same cells, and a pixel's rays stop on their own, so nothing is shared between threads.
#include "../math/field_ray.h"
#include "launch.h"

namespace head3d::render {

__global__ void draw(Field field, PictureRule rule, Picture picture);
__global__ void samples_of(Field field, MarchRule rule, const float* origins,
                           const float* directions, const float* jitter, int64_t R, int64_t samples,
                           float* t, bool* valid);
__global__ void distances(Field field, const float* points, int64_t P, bool base, float* out);

#if HEAD3D_DEVICE

__global__ void draw(Field field, PictureRule rule, Picture picture) {
  const int64_t pixel = item();
  if (pixel < rule.height * rule.width) draw_pixel(field, rule, picture, pixel);
}

__global__ void samples_of(Field field, MarchRule rule, const float* origins,
                           const float* directions, const float* jitter, int64_t R, int64_t samples,
                           float* t, bool* valid) {
  const int64_t r = item();
  if (r >= R) return;
  int64_t k = r * samples;
  walk_ray(field, rule, origins + 3 * r, directions + 3 * r, jitter ? jitter[r] : 0.f, int(samples),
           [&](float place, const RayPlace&) {
             t[k] = place;
             valid[k++] = true;
             return true;
           });
}

__global__ void distances(Field field, const float* points, int64_t P, bool base, float* out) {
  const int64_t p = item();
  if (p >= P) return;
  out[p] = base ? sdf_at(field, points + 3 * p) : residual_at(field, points + 3 * p);
}

#endif

}  // namespace head3d::render

#if HEAD3D_HOST
using namespace head3d;
using namespace head3d::render;

int head3d_render_field(const int64_t* field, const double* numbers, const double* camera,
                        const double* light, const float* directions, int64_t H, int64_t W,
                        int64_t times, int64_t samples, int64_t colors, double normal_step,
                        int64_t mirror, float* rgb, float* albedo, float* normal, float* alpha,
                        float* depth, int64_t stream) {
  const Field described = described_field(field, numbers);
  const PictureRule rule = picture_rule(described, camera, light, directions, H, W, times, samples,
                                        colors, normal_step, mirror);
  const Picture picture{rgb, albedo, normal, alpha, depth};
  HEAD3D_LAUNCH(draw, H * W, 1, stream, described, rule, picture);
  return 0;
}

int head3d_field_march(const int64_t* field, const double* numbers, const float* origins,
                       const float* directions, const float* jitter, int64_t R, int64_t samples,
                       float* t, bool* valid, int64_t stream) {
  const Field described = described_field(field, numbers);
  HEAD3D_LAUNCH(samples_of, R, 1, stream, described, march_rule(described.sd), origins, directions,
                jitter, R, samples, t, valid);
  return 0;
}

int head3d_field_sdf(const int64_t* field, const double* numbers, const float* points, int64_t P,
                     int64_t base, float* out, int64_t stream) {
  HEAD3D_LAUNCH(distances, P, 1, stream, described_field(field, numbers), points, P, base != 0,
                out);
  return 0;
}
#endif
