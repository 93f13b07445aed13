// Signed distance and gradient in one pass: a thread spreads a few points into their taps, encodes
// all rows, runs the network and joins what comes out while it is near. A point's rows lie side by
// side: they share the grid's cells.
#include "../math/sdf_taps.h"

#include "../abi.h"
#include "hash_grid_encode.h"
#include "mlp_loops.h"

namespace {

using namespace head3d;
constexpr int64_t kRows = 16384;  // encoded at once: a level's entries are met several times

// Points, and where their results go; gradient and mean are null without taps.
template <typename T>
struct Results {
  T *features /* P rows I or null */, *slope /* P rows or null */;
  T *outputs /* P O */, *gradient /* P 3 */, *mean /* P */;
};

// Rows' raw outputs -> distances, in place; slopes by raw unless null.
template <typename T>
void to_distances(const Shell<T>& shell, const T* places, int64_t rows, T* raw, T* slope) {
  for (int64_t start = 0; start < rows; start += kTile) {
    T xyz[3][kTile], value[kTile] = {}, steep[kTile];
    load_tile(places, start, rows, xyz);
    const int count = int(std::min<int64_t>(kTile, rows - start));
    std::copy_n(raw + start, count, value);
    if (shell.base.values) {
      const UnitVolume<T> base = shell.base, reach = shell.reach;
      const T unit = shell.unit;
      T ground[kTile], far[kTile];
#pragma omp simd
      for (int i = 0; i < kTile; ++i)
        ground[i] = volume_value(base, xyz[0][i], xyz[1][i], xyz[2][i]);
#pragma omp simd
      for (int i = 0; i < kTile; ++i) far[i] = volume_value(reach, xyz[0][i], xyz[1][i], xyz[2][i]);
#pragma omp simd
      for (int i = 0; i < kTile; ++i) {
        const Distance<T> at = bounded_distance(ground[i], far[i], unit, value[i]);
        value[i] = at.value;
        steep[i] = at.slope;
      }
    } else {
      for (int i = 0; i < kTile; ++i) {
        value[i] *= shell.unit;
        steep[i] = shell.unit;
      }
    }
    std::copy_n(value, count, raw + start);
    if (slope) std::copy_n(steep, count, slope + start);
  }
}

template <typename T>
void forward(const Taps<T>& taps, const T* points, int64_t P, const T* table, int64_t F,
             const std::vector<Level<T>>& levels, const Network<T>& net, const Shell<T>& shell,
             const Results<T>& to, int64_t threads) {
  const int64_t I = net.layers.front().in, O = net.layers.back().out;
  const int64_t out16 = net.layers.back().out16, K = taps.rows();
  const int64_t chunk = std::max<int64_t>(1, std::min(kRows / K, (P + threads - 1) / threads));
#pragma omp parallel num_threads(threads)
  {
    auto hidden = net.tape();
    std::vector<T> places(chunk * K * 3), distance(chunk * K);
    std::vector<T> scratch(to.features ? 0 : chunk * K * I);
#pragma omp for schedule(static)
    for (int64_t first = 0; first < P; first += chunk) {
      const int64_t count = std::min(chunk, P - first), rows = count * K;
      T* encoded = to.features ? to.features + first * K * I : scratch.data();
      for (int64_t p = 0; p < count; ++p)
        for (int row = 0; row < K; ++row)
          tap_place(taps, row, points + 3 * (first + p), places.data() + 3 * (p * K + row));
      encode<T>(places.data(), 0, rows, table, levels, F, encoded);
      for (int64_t start = 0; start < rows; start += kBatch) {
        const int64_t batch = std::min<int64_t>(kBatch, rows - start);
        net.run(encoded + start * I, batch, hidden);
        for (int64_t s = 0; s < batch; ++s) distance[start + s] = hidden.back()[s * out16];
        for (int64_t p = (start + K - 1) / K; O > 1 && p * K < start + batch; ++p)
          std::copy_n(hidden.back().data() + (p * K - start) * out16 + 1, O - 1,
                      to.outputs + (first + p) * O + 1);
      }
      T* slope = to.slope ? to.slope + first * K : nullptr;
      to_distances(shell, places.data(), rows, distance.data(), slope);
      for (int64_t p = 0; p < count; ++p) {
        to.outputs[(first + p) * O] = distance[p * K];
        join_taps(taps, distance.data() + p * K, to.gradient + 3 * (first + p),
                  to.mean + first + p);
      }
    }
  }
}

template <typename T>
int backward(const Taps<T>& taps, const Shell<T>& shell, const T* points, int64_t P, int64_t O,
             const T* slope, const T* g_outputs, const T* g_gradient, const T* g_mean, T* places,
             T* g_raw, T* g_points, int64_t threads) {
  const int64_t K = taps.rows();
#pragma omp parallel for schedule(static) num_threads(threads)
  for (int64_t p = 0; p < P; ++p)
    part_taps(taps, shell, points + 3 * p, O, slope + p * K, g_outputs + p * O, g_gradient + 3 * p,
              g_mean + p, places + 3 * p * K, g_raw + p * K * O,
              g_points ? g_points + 3 * p : nullptr);
  return 0;
}

}  // namespace

#define HEAD3D_SDF_TAPS(suffix, T)                                                                \
  int head3d_sdf_taps_fwd_##suffix(                                                               \
      const T* points, int64_t P, int64_t count, double step, const T* base, const T* reach,      \
      const int64_t* nodes, const double* frames, double unit, const T* table,                    \
      const double* scales, const int64_t* layout, int64_t L, int64_t F, int64_t smooth,          \
      const T* flat, const int64_t* shape, T* features, T* slope, T* outputs, T* gradient,        \
      T* mean, int64_t threads) {                                                                 \
    const Network<T> net(flat, shape);                                                            \
    const auto levels = levels_of<T>(scales, layout, L, smooth);                                  \
    const Taps<T> taps{int32_t(count), T(step)};                                                  \
    const Shell<T> shell = shell_of(base, reach, nodes, frames, unit);                            \
    const Results<T> to{features, slope, outputs, gradient, mean};                                \
    if (!has_features(F)) return 1;                                                               \
    forward(taps, points, P, table, F, levels, net, shell, to, threads);                          \
    return 0;                                                                                     \
  }                                                                                               \
  int head3d_sdf_taps_bwd_##suffix(const T* points, int64_t P, int64_t count, double step,        \
                                   const T* base, const T* reach, const int64_t* nodes,           \
                                   const double* frames, double unit, int64_t O, const T* slope,  \
                                   const T* g_outputs, const T* g_gradient, const T* g_mean,      \
                                   T* places, T* g_raw, T* g_points, int64_t threads) {           \
    return backward(Taps<T>{int32_t(count), T(step)}, shell_of(base, reach, nodes, frames, unit), \
                    points, P, O, slope, g_outputs, g_gradient, g_mean, places, g_raw, g_points,  \
                    threads);                                                                     \
  }
#ifdef HEAD3D_F64  // from float64/sdf_taps.cpp
HEAD3D_SDF_TAPS(f64, double)
#else
HEAD3D_SDF_TAPS(f32, float)
#endif
