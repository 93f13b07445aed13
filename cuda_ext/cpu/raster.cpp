// Z-buffered rasteriser. Faces are sorted into bands of rows once, in their order; then every band is drawn by one
// thread into planes of its own that fit the cache. So nothing is shared, and the result does not depend on the number
// of threads. At equal depth (float32) the lower triangle index wins.
#include "../math/raster.h"

#include <algorithm>
#include <limits>
#include <vector>

#include "../abi.h"

namespace {

constexpr int64_t kRows = 16;  // of a band: its planes take 170 kB at 512 columns
#if defined(__AVX512F__)
constexpr int kLanes = 8;  // doubles of a register; a head's triangle is 4 pixels wide
#else
constexpr int kLanes = 4;
#endif
constexpr double kFar = std::numeric_limits<float>::infinity();

typedef double Doubles __attribute__((vector_size(8 * kLanes)));
typedef float Floats __attribute__((vector_size(4 * kLanes)));
typedef int32_t Ints __attribute__((vector_size(4 * kLanes)));

Doubles centres() {
  Doubles steps;
  for (int i = 0; i < kLanes; ++i) steps[i] = i + 0.5;
  return steps;
}

struct Entry {  // a face and the pixels [left, right] x [top, bottom] it may cover
  int32_t face, left, right, top, bottom;
};

struct
    Planes {  // of one band; rows are wider than the picture, so that a full register never leaves them
  int64_t stride;
  std::vector<float> depth, barycentrics[3];
  std::vector<int32_t> triangle;

  explicit Planes(int64_t W) : stride(W + kLanes), depth(kRows * stride), triangle(kRows * stride) {
    for (auto& plane : barycentrics) plane.resize(kRows * stride);
  }
};

struct Picture {
  int64_t H, W;
  int64_t* triangle;
  float *barycentrics, *depth;
};

const double* corner(const double* vertices, const int64_t* faces, int64_t face, int k) {
  return vertices + 3 * faces[3 * face + k];
}

// Appends the faces [first, last) that hold a pixel centre's row and column, and counts them for each band.
void sift(const double* vertices, const int64_t* faces, int64_t first, int64_t last,
          const Picture& picture, std::vector<Entry>& kept, int64_t* counts) {
  using head3d::least;
  using head3d::most;
  kept.reserve(size_t(last - first));
  for (int64_t f = first; f < last; ++f) {
    const double* a = corner(vertices, faces, f, 0);
    const double* b = corner(vertices, faces, f, 1);
    const double* c = corner(vertices, faces, f, 2);
    // A triangle that reaches behind the camera has no picture; heads never come that close.
    if (!((a[2] > 0) & (b[2] > 0) & (c[2] > 0))) continue;
    int64_t left, right, top, bottom;
    head3d::pixel_span(least(a[0], least(b[0], c[0])), most(a[0], most(b[0], c[0])), picture.W,
                       left, right);
    head3d::pixel_span(least(a[1], least(b[1], c[1])), most(a[1], most(b[1], c[1])), picture.H, top,
                       bottom);
    if (left > right || top > bottom) continue;
    kept.push_back({int32_t(f), int32_t(left), int32_t(right), int32_t(top), int32_t(bottom)});
    for (int64_t band = top / kRows; band <= bottom / kRows; ++band) ++counts[band];
  }
}

template <typename Vector>
Vector load(const void* at) {
  Vector value;
  __builtin_memcpy(&value, at, sizeof value);
  return value;
}

template <typename Vector>
void store(void* at, Vector value) {
  __builtin_memcpy(at, &value, sizeof value);
}

void draw(const head3d::Outline<double>& outline, const Entry& entry, int64_t first_row,
          Planes& planes) {
  const int64_t top = std::max<int64_t>(entry.top, first_row);
  const int64_t bottom = std::min<int64_t>(entry.bottom, first_row + kRows - 1);
  for (int64_t y = top; y <= bottom; ++y) {
    for (int64_t x = entry.left; x <= entry.right; x += kLanes) {
      const Doubles px = double(x) + centres();
      Doubles weights[3], z;
      const Doubles inside = head3d::cover(outline, px, double(y) + 0.5, weights, z);
      const int64_t at = (y - first_row) * planes.stride + x;
      float* depth = planes.depth.data() + at;
      const Floats before = load<Floats>(depth);
      const Floats after = __builtin_convertvector(inside >= 0 ? z : Doubles{} + kFar, Floats);
      const Ints seen = after < before;
      store(depth, seen ? after : before);
      for (int k = 0; k < 3; ++k) {
        float* plane = planes.barycentrics[k].data() + at;
        store(plane, seen ? __builtin_convertvector(weights[k], Floats) : load<Floats>(plane));
      }
      int32_t* triangle = planes.triangle.data() + at;
      store(triangle, seen ? Ints{} + entry.face : load<Ints>(triangle));
    }
  }
}

void clear(Planes& planes) {
  std::fill(planes.depth.begin(), planes.depth.end(), float(kFar));
  std::fill(planes.triangle.begin(), planes.triangle.end(), -1);
  for (auto& plane : planes.barycentrics) std::fill(plane.begin(), plane.end(), 0.f);
}

void write(const Planes& planes, int64_t first_row, const Picture& picture) {
  for (int64_t y = first_row; y < std::min(picture.H, first_row + kRows); ++y) {
    const int64_t from = (y - first_row) * planes.stride, to = y * picture.W;
    const int32_t* triangle = planes.triangle.data() + from;
    const float *z = planes.depth.data() + from, *u = planes.barycentrics[0].data() + from,
                *v = planes.barycentrics[1].data() + from,
                *w = planes.barycentrics[2].data() + from;
    for (int64_t x = 0; x < picture.W; ++x) {
      picture.triangle[to + x] = triangle[x];
      picture.depth[to + x] = triangle[x] < 0 ? 0.f : z[x];
    }
    float* b = picture.barycentrics + 3 * to;
    for (int64_t x = 0; x < picture.W; ++x) {
      b[3 * x] = u[x];
      b[3 * x + 1] = v[x];
      b[3 * x + 2] = w[x];
    }
  }
}

}  // namespace

int head3d_rasterize(const double* vertices, int64_t, const int64_t* faces, int64_t F, int64_t H,
                     int64_t W, int64_t* triangle, float* barycentrics, float* depth,
                     int64_t threads) {
  const Picture picture{H, W, triangle, barycentrics, depth};
  const int64_t bands = (H + kRows - 1) / kRows, parts = threads;
  std::vector<std::vector<Entry>> kept(parts);
  std::vector<int64_t> counts(parts * bands), starts(bands + 1);
  std::vector<Entry> sorted;
#pragma omp parallel num_threads(threads)
  {
#pragma omp for schedule(static, 1)
    for (int64_t p = 0; p < parts; ++p)
      sift(vertices, faces, F * p / parts, F * (p + 1) / parts, picture, kept[p],
           counts.data() + p * bands);
#pragma omp single
    {
      // counts become places: a band holds the faces of part 0, then those of part 1, ...
      int64_t sum = 0;
      for (int64_t band = 0; band < bands; ++band) {
        starts[band] = sum;
        for (int64_t p = 0; p < parts; ++p) {
          const int64_t count = counts[p * bands + band];
          counts[p * bands + band] = sum;
          sum += count;
        }
      }
      starts[bands] = sum;
      sorted.resize(sum);
    }
#pragma omp for schedule(static, 1)
    for (int64_t p = 0; p < parts; ++p)
      for (const Entry& entry : kept[p])
        for (int64_t band = entry.top / kRows; band <= entry.bottom / kRows; ++band)
          sorted[counts[p * bands + band]++] = entry;
    Planes planes(W);
#pragma omp for schedule(dynamic, 1)
    for (int64_t band = 0; band < bands; ++band) {
      clear(planes);
      for (int64_t i = starts[band]; i < starts[band + 1]; ++i) {
        const int64_t f = sorted[i].face;
        const auto outline =
            head3d::outline(corner(vertices, faces, f, 0), corner(vertices, faces, f, 1),
                            corner(vertices, faces, f, 2));
        if (outline.valid) draw(outline, sorted[i], band * kRows, planes);
      }
      write(planes, band * kRows, picture);
    }
  }
  return 0;
}
