// Signed distance and gradient in one launch: a block spreads its points into their taps, encodes
// all rows, runs the network in shared memory and joins the distances there.
#include "../math/sdf_taps.h"
#include "levels.h"
#include "mlp_tile.h"

namespace head3d::sdf_taps {

// Where the results go; features and slope may be null, gradient and mean are without taps.
template <typename T>
struct Results {
  T *features, *slope, *outputs, *gradient, *mean;
};

// Cotangents of the results.
template <typename T>
struct Cotangents {
  const T *outputs, *gradient, *mean;
};

template <int F, typename T>
__global__ void forward(Taps<T> taps, const T* points, int64_t P, const T* table, Levels<T> levels,
                        const T* flat, Network net, Shell<T> shell, int tile, Results<T> to);
template <typename T>
__global__ void backward(Taps<T> taps, Shell<T> shell, const T* points, int64_t P, int64_t O,
                         const T* slope, Cotangents<T> g, T* places, T* g_raw, T* g_points);

#if HEAD3D_DEVICE

template <int F, typename T>
__global__ void forward(Taps<T> taps, const T* points, int64_t P, const T* table, Levels<T> levels,
                        const T* flat, Network net, Shell<T> shell, int tile, Results<T> to) {
  const int K = taps.rows(), room = tile / K;  // points of a block
  const int64_t start = int64_t(blockIdx.x) * room;
  const int count = int(least(int64_t(room), P - start)), rows = count * K;
  const int widest = most(net.inputs, most(net.hidden, net.outputs));
  T* below = shared_memory<T>();
  T* next = below + widest * (tile + 1);
  for (int k = threadIdx.x; k < tile * levels.count; k += blockDim.x) {
    const int row = k % tile, l = k / tile;
    T sum[F] = {};
    if (row < rows) {
      T at[3];
      tap_place(taps, row % K, points + 3 * (start + row / K), at);
      encode_level<F>(levels, l, table, at, sum);
    }
    for (int f = 0; f < F; ++f) below[(l * F + f) * (tile + 1) + row] = sum[f];
  }
  __syncthreads();
  if (to.features) store_rows(below, rows, net.inputs, tile, to.features + start * K * net.inputs);
  for (int l = 0; l <= net.layers; ++l) {
    run_layer(net, l, flat, tile, below, next);
    T* swap = below;
    below = next;
    next = swap;
  }
  for (int row = threadIdx.x; row < rows; row += blockDim.x) {
    T at[3];
    tap_place(taps, row % K, points + 3 * (start + row / K), at);
    const Distance<T> here = distance_at(shell, at[0], at[1], at[2], below[row]);
    if (to.slope) to.slope[start * K + row] = here.slope;
    below[row] = here.value;
  }
  __syncthreads();
  for (int k = threadIdx.x; k < count * net.outputs; k += blockDim.x) {
    const int p = k / net.outputs, o = k % net.outputs;
    to.outputs[start * net.outputs + k] = below[o * (tile + 1) + p * K];
  }
  for (int p = threadIdx.x; p < count; p += blockDim.x)
    join_taps(taps, below + p * K, to.gradient + 3 * (start + p), to.mean + start + p);
}

template <typename T>
__global__ void backward(Taps<T> taps, Shell<T> shell, const T* points, int64_t P, int64_t O,
                         const T* slope, Cotangents<T> g, T* places, T* g_raw, T* g_points) {
  const int64_t p = item(), K = taps.rows();
  if (p >= P) return;
  part_taps(taps, shell, points + 3 * p, O, slope + p * K, g.outputs + p * O, g.gradient + 3 * p,
            g.mean + p, places + 3 * p * K, g_raw + p * K * O,
            g_points ? g_points + 3 * p : nullptr);
}

#endif  // HEAD3D_DEVICE

}  // namespace head3d::sdf_taps

#if HEAD3D_HOST

using namespace head3d;

namespace {

template <int F, typename T>
int run_forward(const Taps<T>& taps, const T* points, int64_t P, const T* table,
                const Levels<T>& levels, const T* flat, const Network& net, const Shell<T>& shell,
                const sdf_taps::Results<T>& to, int64_t stream) {
  const int channels = 2 * most(net.inputs, most(net.hidden, net.outputs));
  const int tile = tile_for(channels, sizeof(T)), room = tile / taps.rows();
  if (room == 0) return int(cudaErrorInvalidValue);
  if (P == 0) return 0;
  HEAD3D_LAUNCH_AS((sdf_taps::forward<F, T>), dim3(unsigned((P + room - 1) / room)), dim3(kThreads),
                   int(channels * (tile + 1) * sizeof(T)), stream, taps, points, P, table, levels,
                   flat, net, shell, tile, to);
  return 0;
}

}  // namespace

#define HEAD3D_SDF_TAPS(suffix, T)                                                               \
  int head3d_sdf_taps_fwd_##suffix(                                                              \
      const T* points, int64_t P, int64_t count, double step, const T* base, const T* reach,     \
      const int64_t* nodes, const double* frames, double unit, const T* table,                   \
      const double* scales, const int64_t* layout, int64_t L, int64_t F, int64_t smooth,         \
      const T* flat, const int64_t* shape, T* features, T* slope, T* outputs, T* gradient,       \
      T* mean, int64_t stream) {                                                                 \
    if (L > kLevels) return int(cudaErrorInvalidValue);                                          \
    const Taps<T> taps{int32_t(count), T(step)};                                                 \
    const Levels<T> levels = levels_of<T>(scales, layout, L, smooth);                            \
    const Shell<T> shell = shell_of(base, reach, nodes, frames, unit);                           \
    const sdf_taps::Results<T> to{features, slope, outputs, gradient, mean};                     \
    HEAD3D_BY_FEATURES(F, run_forward, taps, points, P, table, levels, flat, network_of(shape),  \
                       shell, to, stream)                                                        \
  }                                                                                              \
  int head3d_sdf_taps_bwd_##suffix(const T* points, int64_t P, int64_t count, double step,       \
                                   const T* base, const T* reach, const int64_t* nodes,          \
                                   const double* frames, double unit, int64_t O, const T* slope, \
                                   const T* g_outputs, const T* g_gradient, const T* g_mean,     \
                                   T* places, T* g_raw, T* g_points, int64_t stream) {           \
    const Taps<T> taps{int32_t(count), T(step)};                                                 \
    const Shell<T> shell = shell_of(base, reach, nodes, frames, unit);                           \
    const sdf_taps::Cotangents<T> g{g_outputs, g_gradient, g_mean};                              \
    HEAD3D_LAUNCH(sdf_taps::backward<T>, P, 1, stream, taps, shell, points, P, O, slope, g,      \
                  places, g_raw, g_points);                                                      \
    return 0;                                                                                    \
  }
HEAD3D_SDF_TAPS(f32, float)
HEAD3D_SDF_TAPS(f64, double)

#endif  // HEAD3D_HOST
