// Z-buffered rasteriser: every thread owns a band of rows and walks all triangles, so nothing is
// shared and the result does not depend on the number of threads. On equal depth the lower triangle
// index wins.
#include "../math/raster.h"

#include <cmath>
#include <limits>

#include "../abi.h"

namespace {

using head3d::edge;

struct Band {
  int64_t first, last;  // rows [first, last)
};

void draw(const double* vertices, const int64_t* face, int64_t index, int64_t W, Band band,
          int64_t* triangle, float* barycentrics, double* depth) {
  const double* a = vertices + 3 * face[0];
  const double* b = vertices + 3 * face[1];
  const double* c = vertices + 3 * face[2];
  // A triangle that reaches behind the camera has no picture; heads never come that close.
  if (!(a[2] > 0 && b[2] > 0 && c[2] > 0)) return;
  const double y_min = std::fmin(a[1], std::fmin(b[1], c[1]));
  const double y_max = std::fmax(a[1], std::fmax(b[1], c[1]));
  if (!(y_max >= band.first && y_min <= band.last)) return;
  const double x_min = std::fmin(a[0], std::fmin(b[0], c[0]));
  const double x_max = std::fmax(a[0], std::fmax(b[0], c[0]));
  if (!(x_max >= 0 && x_min <= W)) return;
  const double area = edge(a[0], a[1], b[0], b[1], c[0], c[1]);
  if (area == 0 || !std::isfinite(area)) return;
  // pixel centres at +0.5
  const int64_t left = int64_t(std::fmax(std::ceil(x_min - 0.5), 0.0));
  const int64_t right = int64_t(std::fmin(std::floor(x_max - 0.5), double(W - 1)));
  const int64_t top = int64_t(std::fmax(std::ceil(y_min - 0.5), double(band.first)));
  const int64_t bottom = int64_t(std::fmin(std::floor(y_max - 0.5), double(band.last - 1)));
  const double inverse_area = 1.0 / area;
  const double inverse_depth[3] = {1.0 / a[2], 1.0 / b[2], 1.0 / c[2]};
  // Where along a row the triangle can be, a pixel wider than it is: thin ones fill little of their
  // box. The exact test below decides.
  const double* from[3] = {b, c, a};
  const double* to[3] = {c, a, b};
  double slope[3];
  int side[3];  // the triangle lies right (1) or left (-1) of the edge, or the edge is level (0)
  for (int i = 0; i < 3; ++i) {
    const double rise = to[i][1] - from[i][1];
    const bool level = std::fabs(rise) < 1e-6;  // where it crosses a row would be rounding
    slope[i] = level ? 0.0 : (to[i][0] - from[i][0]) / rise;
    side[i] = level ? 0 : rise * inverse_area < 0 ? 1 : -1;
  }
  for (int64_t y = top; y <= bottom; ++y) {
    const double py = double(y) + 0.5;
    double low = double(left), high = double(right);
    for (int i = 0; i < 3; ++i) {
      if (side[i] == 0) continue;
      const double crossing = from[i][0] + (py - from[i][1]) * slope[i];
      if (side[i] > 0)
        low = std::fmin(std::fmax(low, crossing - 1.5), double(right + 1));
      else
        high = std::fmax(std::fmin(high, crossing + 0.5), double(left - 1));
    }
    for (int64_t x = int64_t(std::ceil(low)); x <= int64_t(std::floor(high)); ++x) {
      const double px = double(x) + 0.5;
      const double w[3] = {edge(b[0], b[1], c[0], c[1], px, py) * inverse_area,
                           edge(c[0], c[1], a[0], a[1], px, py) * inverse_area,
                           edge(a[0], a[1], b[0], b[1], px, py) * inverse_area};
      // Edges belong to both neighbours: no cracks; depth and index decide who draws.
      if (!(w[0] >= 0 && w[1] >= 0 && w[2] >= 0)) continue;
      const int64_t pixel = y * W + x;
      // Surely behind, seen without a division; the margin leaves ties to the comparison below.
      const double nearness =
          w[0] * inverse_depth[0] + w[1] * inverse_depth[1] + w[2] * inverse_depth[2];
      if (nearness * depth[pixel] < 1 - 1e-9) continue;
      double weights[3];
      const double z = head3d::perspective(w, inverse_depth, weights);
      if (z < depth[pixel]) {
        depth[pixel] = z;
        triangle[pixel] = index;
        for (int i = 0; i < 3; ++i) barycentrics[3 * pixel + i] = float(weights[i]);
      }
    }
  }
}

}  // namespace

int64_t head3d_abi_version() { return HEAD3D_ABI; }

int head3d_rasterize(const double* vertices, int64_t, const int64_t* faces, int64_t F, int64_t H,
                     int64_t W, int64_t* triangle, float* barycentrics, float* depth,
                     int64_t threads) {
  double* exact = new double[size_t(H * W)];
  const int64_t bands = threads > 1 ? 4 * threads : 1;  // 4: the face fills the middle rows
#pragma omp parallel for schedule(dynamic) num_threads(threads)
  for (int64_t i = 0; i < bands; ++i) {
    const Band band{H * i / bands, H * (i + 1) / bands};
    for (int64_t p = band.first * W; p < band.last * W; ++p) {
      exact[p] = std::numeric_limits<double>::infinity();
      triangle[p] = -1;
      barycentrics[3 * p] = barycentrics[3 * p + 1] = barycentrics[3 * p + 2] = 0;
    }
    for (int64_t f = 0; f < F; ++f)
      draw(vertices, faces + 3 * f, f, W, band, triangle, barycentrics, exact);
    for (int64_t p = band.first * W; p < band.last * W; ++p)
      depth[p] = triangle[p] < 0 ? 0.f : float(exact[p]);
  }
  delete[] exact;
  return 0;
}
