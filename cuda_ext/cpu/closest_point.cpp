// Closest point on a mesh: a 16-wide tree of boxes over 16-wide leaves (one AVX-512 register per quantity), visited
// along a Morton curve so that each point starts from the answer of its neighbour.
#include <algorithm>
#include <limits>
#include <vector>

#include "../abi.h"
#include "../math/closest.h"

namespace {

using head3d::Vec3;
constexpr int kWidth = 16;
constexpr float kFar = 1e18f;

struct alignas(64) Node {
  float lo[3][kWidth], hi[3][kWidth];
  int32_t child[kWidth];  // >= 0 node, < 0 leaf ~child; unused children have a box far away
};

struct alignas(64) Leaf {
  float corner[9][kWidth];  // a.x a.y a.z b.x ... ; unused lanes hold a triangle far away
  int32_t face[kWidth];
};

struct Box {
  float lo[3] = {kFar, kFar, kFar}, hi[3] = {-kFar, -kFar, -kFar};
  void grow(const float* p) {
    for (int i = 0; i < 3; ++i) {
      lo[i] = std::min(lo[i], p[i]);
      hi[i] = std::max(hi[i], p[i]);
    }
  }
};

class Tree {
 public:
  Tree(const float* vertices, const int64_t* faces, int64_t F)
      : vertices_(vertices), faces_(faces), order_(F), middle_(3 * F) {
    for (int64_t f = 0; f < F; ++f) {
      order_[f] = int32_t(f);
      for (int i = 0; i < 3; ++i) {
        middle_[3 * f + i] =
            (vertex(f, 0)[i] + vertex(f, 1)[i] + vertex(f, 2)[i]) * (1.f / 3.f);
      }
    }
    nodes_.reserve(F / 64 + 16);
    leaves_.reserve(F / 8 + 16);
    root_ = build(0, F);
  }

  const float* vertex(int64_t face, int corner) const {
    return vertices_ + 3 * faces_[3 * face + corner];
  }

  float distance2(Vec3<float> p, int32_t face, float weights[3]) const {
    const float *a = vertex(face, 0), *b = vertex(face, 1), *c = vertex(face, 2);
    return head3d::triangle_distance2<float>(p, {a[0], a[1], a[2]}, {b[0], b[1], b[2]},
                                             {c[0], c[1], c[2]}, weights[0], weights[1],
                                             weights[2]);
  }

  // Finds a face closer than `best`, if there is one; `face` keeps its value otherwise.
  void closest(Vec3<float> p, float& best, int32_t& face) const {
    struct Entry {
      float d2;
      int32_t child;
    };
    Entry stack[kWidth * 12];  // 12 levels of 16 children: more triangles than memory
    int top = 0;
    stack[top++] = {0.f, root_};
    while (top > 0) {
      const Entry entry = stack[--top];
      if (entry.d2 >= best) continue;
      if (entry.child < 0) {
        scan(leaves_[~entry.child], p, best, face);
        continue;
      }
      const Node& node = nodes_[entry.child];
      float d2[kWidth];
#pragma omp simd
      for (int i = 0; i < kWidth; ++i) {
        const float x = head3d::most(head3d::most(node.lo[0][i] - p.x, p.x - node.hi[0][i]), 0.f);
        const float y = head3d::most(head3d::most(node.lo[1][i] - p.y, p.y - node.hi[1][i]), 0.f);
        const float z = head3d::most(head3d::most(node.lo[2][i] - p.z, p.z - node.hi[2][i]), 0.f);
        d2[i] = x * x + y * y + z * z;
      }
      const int first = top;
      for (int i = 0; i < kWidth; ++i) {
        if (!(d2[i] < best)) continue;
        int at = top++;
        for (; at > first && stack[at - 1].d2 < d2[i]; --at) stack[at] = stack[at - 1];
        stack[at] = {d2[i], node.child[i]};  // farthest first: the nearest is popped next
      }
    }
  }

 private:
  static void scan(const Leaf& leaf, Vec3<float> p, float& best, int32_t& face) {
    float d2[kWidth];
#pragma omp simd
    for (int i = 0; i < kWidth; ++i) {
      float u, v, w;
      const auto& q = leaf.corner;
      d2[i] = head3d::triangle_distance2<float>(p, {q[0][i], q[1][i], q[2][i]},
                                                {q[3][i], q[4][i], q[5][i]},
                                                {q[6][i], q[7][i], q[8][i]}, u, v, w);
    }
    for (int i = 0; i < kWidth; ++i) {
      if (d2[i] < best) {
        best = d2[i];
        face = leaf.face[i];
      }
    }
  }

  Box bounds(int64_t first, int64_t last) const {
    Box box;
    for (int64_t i = first; i < last; ++i)
      for (int corner = 0; corner < 3; ++corner) box.grow(vertex(order_[i], corner));
    return box;
  }

  int32_t build(int64_t first, int64_t last) {
    const int64_t count = last - first;
    if (count <= kWidth) return leaf(first, count);
    // Halve the largest part until there are as many parts as a node holds or as leaves are needed.
    int64_t starts[kWidth + 1] = {first, last};
    const int wanted = int(std::min<int64_t>(kWidth, (count + kWidth - 1) / kWidth));
    int parts = 1;
    while (parts < wanted) {
      int largest = 0;
      for (int i = 1; i < parts; ++i)
        if (starts[i + 1] - starts[i] > starts[largest + 1] - starts[largest]) largest = i;
      const int64_t middle = split(starts[largest], starts[largest + 1]);
      for (int i = parts; i > largest; --i) starts[i + 1] = starts[i];
      starts[largest + 1] = middle;
      ++parts;
    }
    const int32_t index = int32_t(nodes_.size());
    nodes_.emplace_back();
    for (int i = 0; i < kWidth; ++i) {
      Box box;
      int32_t child = 0;
      if (i < parts) {
        box = bounds(starts[i], starts[i + 1]);
        child = build(starts[i], starts[i + 1]);
      }
      Node& node = nodes_[index];  // build() may have moved the array
      for (int axis = 0; axis < 3; ++axis) {
        node.lo[axis][i] = box.lo[axis];
        node.hi[axis][i] = i < parts ? box.hi[axis] : kFar;
      }
      node.child[i] = child;
    }
    return index;
  }

  int64_t split(int64_t first, int64_t last) {
    Box box;
    for (int64_t i = first; i < last; ++i) box.grow(&middle_[3 * order_[i]]);
    int axis = 0;
    for (int i = 1; i < 3; ++i)
      if (box.hi[i] - box.lo[i] > box.hi[axis] - box.lo[axis]) axis = i;
    // cut at a multiple of the leaf width: full leaves are faster
    const int64_t count = last - first, full = (count / 2 + kWidth - 1) / kWidth * kWidth;
    const int64_t middle = first + (full < count ? full : count / 2);
    std::nth_element(order_.begin() + first, order_.begin() + middle, order_.begin() + last,
                     [&](int32_t a, int32_t b) {
                       const float x = middle_[3 * a + axis], y = middle_[3 * b + axis];
                       return x < y || (x == y && a < b);
                     });
    return middle;
  }

  int32_t leaf(int64_t first, int64_t count) {
    Leaf leaf;
    for (int i = 0; i < kWidth; ++i) {
      const int32_t face = i < count ? order_[first + i] : -1;
      leaf.face[i] = face;
      for (int k = 0; k < 9; ++k) leaf.corner[k][i] = face < 0 ? 1e9f : vertex(face, k / 3)[k % 3];
    }
    leaves_.push_back(leaf);
    return ~int32_t(leaves_.size() - 1);
  }

  const float* vertices_;
  const int64_t* faces_;
  std::vector<int32_t> order_;
  std::vector<float> middle_;
  std::vector<Node> nodes_;
  std::vector<Leaf> leaves_;
  int32_t root_ = 0;
};

uint32_t spread(uint32_t v) {  // 10 bits -> every third of 30
  v = (v | (v << 16)) & 0x030000FFu;
  v = (v | (v << 8)) & 0x0300F00Fu;
  v = (v | (v << 4)) & 0x030C30C3u;
  return (v | (v << 2)) & 0x09249249u;
}

std::vector<uint32_t> morton_order(const float* points, int64_t P) {
  Box box;
  for (int64_t i = 0; i < P; ++i) box.grow(points + 3 * i);
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

}  // namespace

int head3d_closest_point(const float* points, int64_t P, const float* vertices, int64_t,
                         const int64_t* faces, int64_t F, float* distance, int64_t* triangle,
                         float* barycentrics, int64_t threads) {
  const Tree tree(vertices, faces, F);
  const std::vector<uint32_t> order = morton_order(points, P);
  const int64_t chunk = 4096;
#pragma omp parallel for schedule(dynamic) num_threads(threads)
  for (int64_t start = 0; start < P; start += chunk) {  // chunks, not threads, restart the walk
    int32_t face = 0;
    for (int64_t i = start; i < std::min(P, start + chunk); ++i) {
      const int64_t index = order[i];
      const float* q = points + 3 * index;
      const Vec3<float> p{q[0], q[1], q[2]};
      float weights[3];
      float best = tree.distance2(p, face, weights);
      tree.closest(p, best, face);
      best = tree.distance2(p, face, weights);
      distance[index] = __builtin_sqrtf(best);
      triangle[index] = face;
      for (int k = 0; k < 3; ++k) barycentrics[3 * index + k] = weights[k];
    }
  }
  return 0;
}
