// Antialiasing of silhouettes, Laine et al. 2020 (Modular Primitives for High-Performance Differentiable Rendering, 3.4).
//
// Two pixels side by side see different triangles. If a silhouette edge of the nearer triangle cuts the line between
// their centres at the part t of the way from the near pixel, the near surface covers t - 1/2 of the far pixel, or
// leaves 1/2 - t of the near pixel to what lies behind: out[target] += alpha (near - far), alpha = t - 1/2,
// the target is the far pixel if alpha > 0, else the near one.
//
// The rim of a finely meshed head is made of triangles thinner than a pixel. So, unlike in the paper, the edge need not
// be one of the triangle that the near pixel sees: the line is followed from triangle to triangle until it leaves the
// surface.
#pragma once
#include "common.h"

namespace head3d {

constexpr int kSteps = 16;  // triangles that a line of one pixel may cross

template <typename T>
struct Scene {
  const int64_t* triangle;  // H W, -1: none
  const float* depth;       // H W
  int64_t H, W;
  const T* vertices;     // V 3: x px, y px, z m
  const int64_t* faces;  // F 3
  const int64_t*
      twins;  // F 3: the corner (3 face + k) that faces the same edge from across, -1: border
};

// What a pair of pixels exchanges: found, or nothing at all.
template <typename T>
struct Exchange {
  bool found;
  int64_t near, far;  // pixels
  T alpha;
  int64_t p, q;      // vertices of the edge
  T g_p[2], g_q[2];  // d alpha / d (x, y) of them

  HEAD3D_HD int64_t target() const { return alpha > T(0) ? far : near; }
};

// The pixel at (x, y) and its neighbour to the right (axis 0) or below (axis 1), both in the picture.
template <typename T>
HEAD3D_HD Exchange<T> exchange(const Scene<T>& scene, int64_t x, int64_t y, int axis) {
  Exchange<T> e;
  e.found = false;
  const int64_t first = y * scene.W + x, second = first + (axis ? scene.W : 1);
  const int64_t a = scene.triangle[first], b = scene.triangle[second];
  if (a == b) return e;
  const bool first_near = b < 0 || (a >= 0 && scene.depth[first] <= scene.depth[second]);
  e.near = first_near ? first : second;
  e.far = first_near ? second : first;
  int64_t face = first_near ? a : b;
  const T sign = first_near ? T(1) : T(-1);
  const int64_t away = first_near ? 0 : 1;
  // u along the pair, v across it, from the centre of the near pixel
  const int u = axis, v = 1 - axis;
  const T centre[2] = {T(x + (axis ? 0 : away)) + T(0.5), T(y + (axis ? away : 0)) + T(0.5)};
  int entry = -1;
  for (int step = 0; step < kSteps; ++step) {
    // The line meets two edges of a triangle: out is the one farther on.
    int out = -1;
    T t = T(0), part = T(0);
    for (int k = 0; k < 3; ++k) {
      const T* p = scene.vertices + 3 * scene.faces[3 * face + (k + 1) % 3];
      const T* q = scene.vertices + 3 * scene.faces[3 * face + (k + 2) % 3];
      const T pv = p[v] - centre[v], qv = q[v] - centre[v];
      if (k == entry || (pv > T(0)) == (qv > T(0))) continue;
      const T here = pv / (pv - qv), cut = sign * (p[u] - centre[u] + (q[u] - p[u]) * here);
      if (out >= 0 && !(cut > t)) continue;
      out = k;
      t = cut;
      part = here;
    }
    if (out < 0 || !(t >= T(0) && t <= T(1))) return e;
    e.p = scene.faces[3 * face + (out + 1) % 3];
    e.q = scene.faces[3 * face + (out + 2) % 3];
    const T* p = scene.vertices + 3 * e.p;
    const T* q = scene.vertices + 3 * e.q;
    const T du = q[u] - p[u], dv = q[v] - p[v];
    const int64_t twin = scene.twins[3 * face + out];
    if (twin >=
        0) {  // a fold of the surface is a silhouette, an edge between two sides of it is not
      const T* own = scene.vertices + 3 * scene.faces[3 * face + out];
      const T* other = scene.vertices + 3 * scene.faces[twin];
      const T here = du * (own[v] - p[v]) - dv * (own[u] - p[u]);
      const T there = du * (other[v] - p[v]) - dv * (other[u] - p[u]);
      if ((here > T(0)) != (there > T(0))) {
        face = twin / 3;
        entry = int(twin % 3);
        continue;
      }
    }
    // An edge acts on pairs across it only, else it would act twice: steep ones on rows, others on columns.
    const T steep = (dv < T(0) ? -dv : dv) - (du < T(0) ? -du : du);
    if (axis ? !(steep > T(0)) : !(steep >= T(0))) return e;
    e.found = true;
    e.alpha = t - T(0.5);
    const T pv = p[v] - centre[v], qv = q[v] - centre[v];
    const T slope = sign * du / ((pv - qv) * (pv - qv));
    e.g_p[u] = sign * (T(1) - part);
    e.g_q[u] = sign * part;
    e.g_p[v] = -slope * qv;
    e.g_q[v] = slope * pv;
    return e;
  }
  return e;
}

// Calls visit(exchange) for the pairs that a pixel is one of: left, right, above, below.
template <typename T, typename Visit>
HEAD3D_HD void exchanges(const Scene<T>& scene, int64_t x, int64_t y, Visit visit) {
  for (int side = 0; side < 4; ++side) {
    const int axis = side / 2, back = side % 2;
    const int64_t at_x = x - (axis == 0 ? back : 0), at_y = y - (axis == 1 ? back : 0);
    if (at_x < 0 || at_y < 0) continue;
    if (at_x + (axis == 0) >= scene.W || at_y + (axis == 1) >= scene.H) continue;
    const Exchange<T> e = exchange(scene, at_x, at_y, axis);
    if (e.found) visit(e);
  }
}

// A pixel of the result. Every pixel gathers what is meant for it, so nothing is shared and the sum has one order.
template <typename T>
HEAD3D_HD void antialias_pixel(const Scene<T>& scene, const T* image, int64_t C, int64_t x,
                               int64_t y, T* out) {
  const int64_t pixel = y * scene.W + x;
  for (int64_t c = 0; c < C; ++c) out[pixel * C + c] = image[pixel * C + c];
  exchanges(scene, x, y, [&](const Exchange<T>& e) {
    if (e.target() != pixel) return;
    for (int64_t c = 0; c < C; ++c)
      out[pixel * C + c] += e.alpha * (image[e.near * C + c] - image[e.far * C + c]);
  });
}

// Cotangent of a pixel of the image; calls add(vertex, axis, value) for those of the vertices, once per pair.
template <typename T, typename Add>
HEAD3D_HD void antialias_pixel_vjp(const Scene<T>& scene, const T* image, int64_t C, int64_t x,
                                   int64_t y, const T* g_out, T* g_image, Add add) {
  const int64_t pixel = y * scene.W + x;
  for (int64_t c = 0; c < C; ++c) g_image[pixel * C + c] = g_out[pixel * C + c];
  exchanges(scene, x, y, [&](const Exchange<T>& e) {
    const T* g = g_out + e.target() * C;
    const T share = pixel == e.near ? e.alpha : -e.alpha;
    T g_alpha = T(0);
    for (int64_t c = 0; c < C; ++c) {
      g_image[pixel * C + c] += share * g[c];
      g_alpha += g[c] * (image[e.near * C + c] - image[e.far * C + c]);
    }
    if (pixel != e.near) return;
    for (int a = 0; a < 2; ++a) {
      add(e.p, a, g_alpha * e.g_p[a]);
      add(e.q, a, g_alpha * e.g_q[a]);
    }
  });
}

}  // namespace head3d
