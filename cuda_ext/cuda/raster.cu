// Z-buffered rasteriser: a thread per triangle puts (depth, index) as one 64-bit number into each pixel by minimum,
// then a thread per pixel works out the barycentrics.
#include "../math/raster.h"
#include "launch.h"

namespace head3d::raster {

using Key = unsigned long long;
constexpr Key kEmpty = ~Key(0);

__global__ void clear(Key* keys, int64_t pixels);
__global__ void draw(const double* vertices, const int64_t* faces, int64_t F, int64_t H, int64_t W,
                     Key* keys);
__global__ void resolve(const double* vertices, const int64_t* faces, int64_t H, int64_t W,
                        const Key* keys, int64_t* triangle, float* barycentrics, float* depth);

#if HEAD3D_DEVICE

__global__ void clear(Key* keys, int64_t pixels) {
  const int64_t p = item();
  if (p < pixels) keys[p] = kEmpty;
}

__global__ void draw(const double* vertices, const int64_t* faces, int64_t F, int64_t H, int64_t W,
                     Key* keys) {
  const int64_t f = item();
  if (f >= F) return;
  const double* a = vertices + 3 * faces[3 * f];
  const double* b = vertices + 3 * faces[3 * f + 1];
  const double* c = vertices + 3 * faces[3 * f + 2];
  const Outline<double> o = outline(a, b, c);
  if (!o.valid) return;
  int64_t left, right, top, bottom;
  pixel_span(least(a[0], least(b[0], c[0])), most(a[0], most(b[0], c[0])), W, left, right);
  pixel_span(least(a[1], least(b[1], c[1])), most(a[1], most(b[1], c[1])), H, top, bottom);
  for (int64_t y = top; y <= bottom; ++y) {
    for (int64_t x = left; x <= right; ++x) {
      double weights[3], depth;
      if (!(cover(o, double(x) + 0.5, double(y) + 0.5, weights, depth) >= 0)) continue;
      // positive floats sort as their bits do; equal depths fall to the lower index
      const Key key = Key(__float_as_uint(float(depth))) << 32 | Key(uint32_t(f));
      atomicMin(keys + y * W + x, key);
    }
  }
}

__global__ void resolve(const double* vertices, const int64_t* faces, int64_t H, int64_t W,
                        const Key* keys, int64_t* triangle, float* barycentrics, float* depth) {
  const int64_t p = item();
  if (p >= H * W) return;
  const Key key = keys[p];
  double weights[3] = {0, 0, 0}, z = 0;
  const int64_t f = key == kEmpty ? -1 : int64_t(uint32_t(key));
  if (f >= 0)
    cover(outline(vertices + 3 * faces[3 * f], vertices + 3 * faces[3 * f + 1],
                  vertices + 3 * faces[3 * f + 2]),
          double(p % W) + 0.5, double(p / W) + 0.5, weights, z);
  triangle[p] = f;
  depth[p] = float(z);
  for (int i = 0; i < 3; ++i) barycentrics[3 * p + i] = float(weights[i]);
}

#endif  // HEAD3D_DEVICE

}  // namespace head3d::raster

#if HEAD3D_HOST

using namespace head3d::raster;

// `triangle` holds the keys until they are resolved: one 64-bit number a pixel either way.
int head3d_rasterize(const double* vertices, int64_t, const int64_t* faces, int64_t F, int64_t H,
                     int64_t W, int64_t* triangle, float* barycentrics, float* depth,
                     int64_t stream) {
  Key* keys = reinterpret_cast<Key*>(triangle);
  HEAD3D_LAUNCH(clear, H * W, 1, stream, keys, H * W);
  HEAD3D_LAUNCH(draw, F, 1, stream, vertices, faces, F, H, W, keys);
  HEAD3D_LAUNCH(resolve, H * W, 1, stream, vertices, faces, H, W, keys, triangle, barycentrics,
                depth);
  return 0;
}

#endif  // HEAD3D_HOST
