// Closest point on a mesh: a tree whose boxes and triangles fill a register (16 with AVX-512, else 8),
// visited along a Morton curve so that each point starts from the answer of its neighbour.
#include <algorithm>
#include <limits>
#include <vector>

#include "../abi.h"
#include "../math/closest.h"
#include "face_tree.h"
#include "lanes.h"

namespace {

using head3d::Box;
using head3d::kLaneBits;
using head3d::kLanes;
using head3d::Lanes;
using head3d::Vec3;
constexpr float kFar = std::numeric_limits<float>::infinity();

struct Node {
  Lanes lo[3], hi[3];  // boxes of the children; those a root does not have lie at infinity

  Lanes distance2(Vec3<float> p) const {
    const float q[3] = {p.x, p.y, p.z};
    Lanes sum{};
    for (int a = 0; a < 3; ++a) {
      const Lanes gap = head3d::most(head3d::most(lo[a] - q[a], q[a] - hi[a]), Lanes{});
      sum += gap * gap;
    }
    return sum;
  }
};

struct Leaf {
  head3d::TriangleFrame<Lanes> frame;
  int32_t face[kLanes];  // the last one fills the lanes that are left
};

class Tree {
 public:
  Tree(const float* vertices, const int64_t* faces, int64_t F, int64_t threads)
      : vertices_(vertices), faces_(faces) {
    while (F > int64_t(kLanes) << depth_) ++depth_;
    std::vector<int32_t> order(F);
    std::vector<Box> boxes(int64_t(2) << depth_);
    head3d::build_face_tree(vertices, faces, F, depth_, order.data(), boxes.data(), threads);
    leaves_.resize(int64_t(1) << depth_);
#pragma omp parallel for schedule(static) num_threads(threads)
    for (int64_t part = 0; part < int64_t(1) << depth_; ++part)
      fill(leaves_[part], order.data() + head3d::part_start(F, depth_, part),
           order.data() + head3d::part_start(F, depth_, part + 1));
    // The root takes what whole nodes leave over of the binary levels, so that all other nodes are full.
    for (int64_t level = 0; level < depth_; level += level ? kLaneBits : shift_) {
      if (level == 0) shift_ = depth_ % kLaneBits ? depth_ % kLaneBits : kLaneBits;
      levels_.push_back(add_nodes(boxes.data(), level, level ? kLaneBits : shift_));
    }
  }

  // The nearest face. `leaf` is where to look first and becomes the leaf of the answer: the answer of a point near by
  // leaves little to search.
  int32_t closest(Vec3<float> p, int64_t& leaf) const {
    struct Visit {
      Lanes distance2;
      uint32_t left;  // children not yet visited, a bit each
      int64_t part;
    };
    const int64_t known = leaf;
    float best = kFar;
    int32_t face = leaves_[known].face[0];
    scan(leaves_[known], p, best, face);
    if (depth_ == 0) return face;
    Visit path[12];  // 8^12: more leaves than memory
    const int last = int(levels_.size()) - 1;
    int at = 0;
    path[0] = {levels_[0][0].distance2(p), head3d::kAllLanes, 0};
    while (at >= 0) {
      Visit& visit = path[at];
      const uint32_t open = head3d::below(visit.distance2, best) & visit.left;
      if (!open) {
        --at;
        continue;
      }
      const int lane = head3d::least_lane(visit.distance2, open);
      visit.left = open & ~(1u << lane);
      const int64_t child = (visit.part << (at ? kLaneBits : shift_)) + lane;
      if (at < last) {
        ++at;
        path[at] = {levels_[at][child].distance2(p), head3d::kAllLanes, child};
      } else if (child != known && scan(leaves_[child], p, best, face)) {
        leaf = child;
      }
    }
    return face;
  }

  const float* corner(int64_t face, int k) const { return vertices_ + 3 * faces_[3 * face + k]; }

 private:
  static bool scan(const Leaf& leaf, Vec3<float> p, float& best, int32_t& face) {
    const Lanes d2 = head3d::frame_distance2(leaf.frame, p);
    const uint32_t closer = head3d::below(d2, best);
    if (!closer) return false;
    const int lane = head3d::least_lane(d2, closer);
    best = d2[lane];
    face = leaf.face[lane];
    return true;
  }

  void fill(Leaf& leaf, const int32_t* first, const int32_t* last) const {
    for (int i = 0; i < kLanes; ++i) {
      const int32_t face = leaf.face[i] = first + i < last ? first[i] : last[-1];
      const head3d::TriangleFrame<float> one =
          head3d::triangle_frame(corner(face, 0), corner(face, 1), corner(face, 2));
      // both frames are rows of numbers in the same order
      const float* from = reinterpret_cast<const float*>(&one);
      float* to = reinterpret_cast<float*>(&leaf.frame);
      for (size_t k = 0; k < sizeof one / sizeof(float); ++k) to[kLanes * k + i] = from[k];
    }
  }

  std::vector<Node> add_nodes(const Box* boxes, int64_t level, int64_t shift) {
    const int64_t nodes = int64_t(1) << level, children = int64_t(1) << shift;
    std::vector<Node> row(nodes);
    for (int64_t j = 0; j < nodes; ++j) {
      for (int i = 0; i < kLanes; ++i) {
        const Box* box = boxes + (nodes << shift) + (j << shift) + i;
        for (int a = 0; a < 3; ++a) {
          row[j].lo[a][i] = i < children ? box->lo[a] : kFar;
          row[j].hi[a][i] = i < children ? box->hi[a] : kFar;
        }
      }
    }
    return row;
  }

  const float* vertices_;
  const int64_t* faces_;
  int64_t depth_ = 0, shift_ = kLaneBits;
  std::vector<Leaf> leaves_;
  std::vector<std::vector<Node>> levels_;
};

uint32_t spread(uint32_t v) {  // 10 bits -> every third of 30
  v = (v | (v << 16)) & 0x030000FFu;
  v = (v | (v << 8)) & 0x0300F00Fu;
  v = (v | (v << 4)) & 0x030C30C3u;
  return (v | (v << 2)) & 0x09249249u;
}

std::vector<uint32_t> morton_order(const float* points, int64_t P) {
  Box box;
  for (int64_t i = 0; i < P; ++i) box.grow(points + 3 * i, points + 3 * i);
  float scale[3];
  for (int a = 0; a < 3; ++a) scale[a] = 1023.f / std::max(box.hi[a] - box.lo[a], 1e-20f);
  std::vector<uint32_t> key(P), order(P), key_next(P), order_next(P);
  for (int64_t i = 0; i < P; ++i) {
    uint32_t code = 0;
    for (int a = 0; a < 3; ++a) {
      // a NaN compares false and falls to 0
      const float cell = (points[3 * i + a] - box.lo[a]) * scale[a];
      code |= spread(cell > 0.f ? uint32_t(std::min(cell, 1023.f)) : 0u) << a;
    }
    key[i] = code;
    order[i] = uint32_t(i);
  }
  for (int shift = 0; shift < 30; shift += 10) {  // radix sort, least significant digit first
    std::vector<uint32_t> start(1025, 0);
    for (int64_t i = 0; i < P; ++i) ++start[((key[i] >> shift) & 1023u) + 1];
    for (int d = 0; d < 1024; ++d) start[d + 1] += start[d];
    for (int64_t i = 0; i < P; ++i) {
      const uint32_t at = start[(key[i] >> shift) & 1023u]++;
      key_next[at] = key[i];
      order_next[at] = order[i];
    }
    key.swap(key_next);
    order.swap(order_next);
  }
  return order;
}

// The nearest faces of up to kLanes points, one after the other, then where on them, all at once.
void answer(const Tree& tree, const float* points, const uint32_t* order, int count, int64_t& leaf,
            float* distance, int64_t* triangle, float* barycentrics) {
  float p[3][kLanes] = {}, corners[9][kLanes] = {}, d[kLanes], weights[3][kLanes];
  for (int i = 0; i < count; ++i) {
    const int64_t index = order[i];
    for (int a = 0; a < 3; ++a) p[a][i] = points[3 * index + a];
    const int32_t face = tree.closest({p[0][i], p[1][i], p[2][i]}, leaf);
    triangle[index] = face;
    for (int k = 0; k < 9; ++k) corners[k][i] = tree.corner(face, k / 3)[k % 3];
  }
#pragma omp simd
  for (int i = 0; i < kLanes; ++i) {
    const auto& q = corners;
    d[i] = head3d::triangle_distance2<float>(
        {p[0][i], p[1][i], p[2][i]}, {q[0][i], q[1][i], q[2][i]}, {q[3][i], q[4][i], q[5][i]},
        {q[6][i], q[7][i], q[8][i]}, weights[0][i], weights[1][i], weights[2][i]);
  }
  for (int i = 0; i < count; ++i) {
    distance[order[i]] = __builtin_sqrtf(d[i]);
    for (int k = 0; k < 3; ++k) barycentrics[3 * int64_t(order[i]) + k] = weights[k][i];
  }
}

}  // namespace

int head3d_face_tree(const float* vertices, int64_t, const int64_t* faces, int64_t F, int64_t depth,
                     int32_t* order, float* boxes, int64_t threads) {
  static_assert(sizeof(Box) == 6 * sizeof(float), "a box is low, high");
  head3d::build_face_tree(vertices, faces, F, depth, order, reinterpret_cast<Box*>(boxes), threads);
  return 0;
}

int head3d_closest_point(const float* points, int64_t P, const float* vertices, int64_t,
                         const int64_t* faces, int64_t F, float* distance, int64_t* triangle,
                         float* barycentrics, int64_t threads) {
  const Tree tree(vertices, faces, F, threads);
  const std::vector<uint32_t> order = morton_order(points, P);
  const int64_t chunk = 4096;
#pragma omp parallel for schedule(dynamic) num_threads(threads)
  for (int64_t start = 0; start < P; start += chunk) {  // chunks, not threads, restart the walk
    int64_t leaf = 0;
    for (int64_t i = start; i < std::min(P, start + chunk); i += kLanes) {
      const int count = int(std::min<int64_t>(kLanes, P - i));
      answer(tree, points, order.data() + i, count, leaf, distance, triangle, barycentrics);
      for (int64_t k = i + 4 * kLanes; k < std::min(P, i + 5 * kLanes); ++k) {
        // the curve jumps about in memory: fetch what will be read and written soon
        __builtin_prefetch(points + 3 * int64_t(order[k]));
        __builtin_prefetch(distance + order[k], 1);
        __builtin_prefetch(triangle + order[k], 1);
        __builtin_prefetch(barycentrics + 3 * int64_t(order[k]), 1);
      }
    }
  }
  return 0;
}
