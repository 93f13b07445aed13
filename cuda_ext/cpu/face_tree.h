// Builds the tree over the faces of a mesh in which the closest point is searched (see part_start in math/closest.h),
// on the CPU with 16 children at a time, on CUDA with two.
#pragma once
#include <algorithm>
#include <cstdint>
#include <limits>
#include <vector>

#include "../math/closest.h"

namespace head3d {

struct Box {
  float lo[3] = {kFar, kFar, kFar}, hi[3] = {-kFar, -kFar, -kFar};
  static constexpr float kFar = std::numeric_limits<float>::infinity();

  void grow(const float* low, const float* high) {
    for (int i = 0; i < 3; ++i) {
      lo[i] = std::min(lo[i], low[i]);
      hi[i] = std::max(hi[i], high[i]);
    }
  }
  int longest() const {
    int axis = 0;
    for (int i = 1; i < 3; ++i)
      if (hi[i] - lo[i] > hi[axis] - lo[axis]) axis = i;
    return axis;
  }
};

// Sorts the faces into 2^depth parts, each time in half along the longest side of the box of their middles.
inline void build_face_tree(const float* vertices, const int64_t* faces, int64_t F, int64_t depth,
                            int32_t* order, Box* boxes, int64_t threads) {
  const auto corner = [&](int64_t f, int k) { return vertices + 3 * faces[3 * f + k]; };
  struct Middle {
    float at[3];
    int32_t face;
  };
  std::vector<Middle> middle(F);
#pragma omp parallel for schedule(static) num_threads(threads)
  for (int64_t f = 0; f < F; ++f) {
    for (int i = 0; i < 3; ++i)
      middle[f].at[i] = corner(f, 0)[i] + corner(f, 1)[i] + corner(f, 2)[i];
    middle[f].face = int32_t(f);
  }
  for (int64_t level = 0; level < depth; ++level) {
#pragma omp parallel for schedule(dynamic) num_threads(threads)
    for (int64_t part = 0; part < int64_t(1) << level; ++part) {
      Middle* const first = middle.data() + part_start(F, level, part);
      Middle* const last = middle.data() + part_start(F, level, part + 1);
      Middle* const half = middle.data() + part_start(F, level + 1, 2 * part + 1);
      Box box;
      for (const Middle* m = first; m < last; ++m) box.grow(m->at, m->at);
      const int axis = box.longest();
      if (half < last)
        std::nth_element(first, half, last, [axis](const Middle& a, const Middle& b) {
          return a.at[axis] < b.at[axis] || (a.at[axis] == b.at[axis] && a.face < b.face);
        });
    }
  }
  const int64_t parts = int64_t(1) << depth;
#pragma omp parallel for schedule(static) num_threads(threads)
  for (int64_t part = 0; part < parts; ++part) {
    Box box;
    for (int64_t i = part_start(F, depth, part); i < part_start(F, depth, part + 1); ++i) {
      order[i] = middle[i].face;
      for (int k = 0; k < 3; ++k) box.grow(corner(order[i], k), corner(order[i], k));
    }
    boxes[parts + part] = box;
  }
  boxes[0] = Box();  // no part has this number
  for (int64_t i = parts - 1; i > 0; --i) {
    boxes[i] = boxes[2 * i];
    boxes[i].grow(boxes[2 * i + 1].lo, boxes[2 * i + 1].hi);
  }
}

}  // namespace head3d
