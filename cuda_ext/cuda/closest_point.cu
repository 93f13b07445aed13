// Closest point on a mesh: a thread per point walks the tree, the nearer half first, with a small stack of the other
// halves.
#include "../math/closest.h"
#include "launch.h"

namespace head3d::closest_point {

__global__ void search(const float* points, int64_t P, const float* vertices, const int64_t* faces,
                       int64_t F, int64_t depth, const int32_t* order, const float* boxes,
                       float* distance, int64_t* triangle, float* barycentrics);

#if HEAD3D_DEVICE

constexpr int kStack = 32;  // a waiting half per level: 2^32 leaves

__device__ Vec3<float> corner(const float* vertices, const int64_t* faces, int64_t face, int k) {
  const float* v = vertices + 3 * faces[3 * face + k];
  return {v[0], v[1], v[2]};
}

__global__ void search(const float* points, int64_t P, const float* vertices, const int64_t* faces,
                       int64_t F, int64_t depth, const int32_t* order, const float* boxes,
                       float* distance, int64_t* triangle, float* barycentrics) {
  const int64_t i = item();
  if (i >= P) return;
  const Vec3<float> p{points[3 * i], points[3 * i + 1], points[3 * i + 2]};
  const uint32_t leaves = 1u << depth;
  struct {
    uint32_t box;
    float distance2;
  } waiting[kStack];
  int top = 0;
  float best = 3.4e38f, weights[3] = {1, 0, 0};
  int32_t found = order[0];
  uint32_t box = 1;
  while (true) {
    if (box < leaves) {
      const uint32_t near = 2 * box;
      const float d0 = box_distance2(p, boxes + 6 * near, boxes + 6 * near + 3);
      const float d1 = box_distance2(p, boxes + 6 * near + 6, boxes + 6 * near + 9);
      const bool swap = d1 < d0;
      const float nearer = swap ? d1 : d0, farther = swap ? d0 : d1;
      if (farther < best) waiting[top++] = {near + !swap, farther};
      if (nearer < best) {
        box = near + swap;
        continue;
      }
    } else {
      const int64_t part = box - leaves;
      for (int64_t k = part_start(F, depth, part); k < part_start(F, depth, part + 1); ++k) {
        float u, v, w;
        const int32_t face = order[k];
        const float d2 = triangle_distance2(p, corner(vertices, faces, face, 0),
                                            corner(vertices, faces, face, 1),
                                            corner(vertices, faces, face, 2), u, v, w);
        if (d2 < best) {
          best = d2;
          found = face;
          weights[0] = u;
          weights[1] = v;
          weights[2] = w;
        }
      }
    }
    while (top > 0 && !(waiting[top - 1].distance2 < best)) --top;
    if (top == 0) break;
    box = waiting[--top].box;
  }
  distance[i] = sqrtf(best);
  triangle[i] = found;
  for (int k = 0; k < 3; ++k) barycentrics[3 * i + k] = weights[k];
}

#endif  // HEAD3D_DEVICE

}  // namespace head3d::closest_point

#if HEAD3D_HOST

using namespace head3d;
using namespace head3d::closest_point;

int head3d_closest_point_in_tree(const float* points, int64_t P, const float* vertices, int64_t,
                                 const int64_t* faces, int64_t F, int64_t depth,
                                 const int32_t* order, const float* boxes, float* distance,
                                 int64_t* triangle, float* barycentrics, int64_t stream) {
  HEAD3D_LAUNCH(search, P, 1, stream, points, P, vertices, faces, F, depth, order, boxes, distance,
                triangle, barycentrics);
  return 0;
}

#endif  // HEAD3D_HOST
