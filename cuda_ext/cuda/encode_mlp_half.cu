// Hash grid and network in one launch on tensor cores: a warp encodes 32 points into shared memory and takes them
// through all layers; only outputs leave the chip. Backward does the same again, then goes down layer by layer, each
// layer's cotangents in the place of its values, and scatters into the table what arrives at the features.
#include "scatter.h"
#include "tensor_core.h"

namespace head3d::encode_mlp_half {

// Memory of a call: [largest cotangent (8)] [weights, 16-bit, padded] [parts: weights and biases, padded, per block].
struct Scratch {
  float* largest;
  void* weights;
  float* parts;
};

__global__ void pack(const float* flat, Network net, Scratch scratch);
__global__ void find_largest(const float* g_out, int64_t count, Scratch scratch);
template <int F>
__global__ void forward(const float* points, int64_t P, const float* table, Levels<float> levels,
                        const float* flat, Network net, Scratch scratch, float* out);
template <int F>
__global__ void backward(const float* points, int64_t P, const float* table, Levels<float> levels,
                         const float* flat, Network net, Scratch scratch, const float* g_out,
                         float* g_table, float* g_points);
__global__ void add_parts(Scratch scratch, int64_t count, Network net, float* g_flat);

#if HEAD3D_DEVICE

// Weights in rows of 16-bit numbers, out16 x in16, zeros in the padding.
__global__ void pack(const float* flat, Network net, Scratch scratch) {
  int64_t k = item();
  if (k == 0) *scratch.largest = 0;
  for (int l = 0; l <= net.layers; ++l) {
    const int in = inputs_of(net, l), out = outputs_of(net, l), in16 = padded16(in);
    const int64_t size = int64_t(padded16(out)) * in16;
    if (k < size) {
      const int o = int(k / in16), i = int(k % in16);
      const float value = o < out && i < in ? flat[first_of(net, l) + o * in + i] : 0.f;
      static_cast<Half*>(scratch.weights)[padded_first(net, l, false) + k] = to_half(value);
      return;
    }
    k -= size;
  }
}

// Bits of positive floats sort as the floats do; a NaN is larger than all.
__global__ void find_largest(const float* g_out, int64_t count, Scratch scratch) {
  if (!kNarrow) return;
  unsigned most_bits = 0;
  for (int64_t i = item(); i < count; i += int64_t(gridDim.x) * blockDim.x)
    most_bits = most(most_bits, __float_as_uint(fabsf(g_out[i])));
  for (int bit = 16; bit > 0; bit /= 2)
    most_bits = most(most_bits, __shfl_xor_sync(kWarp, most_bits, bit));
  if ((threadIdx.x & 31) == 0) atomicMax(reinterpret_cast<unsigned*>(scratch.largest), most_bits);
}

// A power of two by which cotangents are scaled so that float16 holds them: the largest becomes 16 to 32, which leaves
// room for growth through the layers above and 28 binary digits below. Exact, so bfloat16 needs none.
__device__ inline float scale_of(const Scratch& scratch, bool inverse) {
  const int bits = int(__float_as_uint(*scratch.largest) >> 23);
  if (!kNarrow || bits == 0 || bits == 255) return 1.f;
  const int power = clamp(4 - (bits - 127), -120, 120);
  return __uint_as_float(unsigned(127 + (inverse ? -power : power)) << 23);
}

// The warp's part of a block: rows of each layer's values, and a patch.
struct Rows {
  int warp, lane;
  int64_t point;  // of this lane
  int count;      // points of the warp that exist
  float* patch;
};

__device__ inline Rows rows_of(int64_t tile, int64_t P, void* patches) {
  Rows rows;
  rows.warp = threadIdx.x / 32;
  rows.lane = threadIdx.x & 31;
  const int64_t first = tile * blockDim.x + kRowsOfWarp * rows.warp;
  rows.point = first + rows.lane;
  rows.count = int(clamp(P - first, int64_t(0), int64_t(kRowsOfWarp)));
  rows.patch = static_cast<float*>(patches) + rows.warp * kPatch;
  return rows;
}

template <int F>
__device__ void encode_rows(const Rows& rows, const float* points, const float* table,
                            const Levels<float>& levels, int width, Half* features) {
  Half* own = features + rows.lane * row_of(width);
  const bool active = rows.lane < rows.count;
  const float* p = points + 3 * rows.point;
  const float point[3] = {active ? p[0] : 0.f, active ? p[1] : 0.f, active ? p[2] : 0.f};
#pragma unroll 2
  for (int l = 0; l < levels.count; ++l) {
    float sum[F];
    encode_level<F>(levels, l, table, point, sum);
    for (int f = 0; f < F; ++f) own[l * F + f] = to_half(active ? sum[f] : 0.f);
  }
  for (int i = width; i < padded16(width); ++i) own[i] = to_half(0.f);
  __syncwarp();
}

// Values of layer l from those below it, through emit(row, output, value).
template <typename Emit>
__device__ void run_layer(const Rows& rows, const Network& net, int l, const float* flat,
                          const Scratch& scratch, const Half* below, const Emit& emit) {
  const int in = inputs_of(net, l), out = outputs_of(net, l);
  const Half* weights = static_cast<const Half*>(scratch.weights) + padded_first(net, l, false);
  const float* bias = flat + first_of(net, l) + out * in;
  multiply_rows<true>(below, row_of(in), weights, padded16(in), padded16(in), padded16(out),
                      rows.patch, [&](int row, int o, float value) {
                        emit(row, o, o < out ? value + bias[o] : 0.f);
                      });
}

template <int F>
__global__ void __launch_bounds__(128)
    forward(const float* points, int64_t P, const float* table, Levels<float> levels,
            const float* flat, Network net, Scratch scratch, float* out) {
  float* patches = shared_memory<float>();
  const Rows rows = rows_of(blockIdx.x, P, patches);
  const int widest = row_of(most(net.inputs, net.hidden));
  Half* below = reinterpret_cast<Half*>(patches + blockDim.x / 32 * kPatch) +
                2 * kRowsOfWarp * widest * rows.warp;
  Half* next = below + kRowsOfWarp * widest;
  encode_rows<F>(rows, points, table, levels, net.inputs, below);
  for (int l = 0; l < net.layers; ++l) {
    const int stride = row_of(net.hidden);
    run_layer(rows, net, l, flat, scratch, below, [&](int row, int o, float value) {
      next[row * stride + o] = to_half(o < net.hidden ? activated(net, value) : 0.f);
    });
    Half* swap = below;
    below = next;
    next = swap;
  }
  float* own = out + (rows.point - rows.lane) * net.outputs;
  run_layer(rows, net, net.layers, flat, scratch, below, [&](int row, int o, float value) {
    if (row < rows.count && o < net.outputs) own[row * net.outputs + o] = value;
  });
}

// From the cotangents of the features to the table and the point.
template <int F>
__device__ void scatter_rows(const Rows& rows, const float* points, const float* table,
                             const Levels<float>& levels, int width, const Half* features,
                             float inverse, float* g_table, float* g_points) {
  const Half* own = features + rows.lane * row_of(width);
  const bool active = rows.lane < rows.count;
  const float* p = points + 3 * rows.point;
  const float point[3] = {active ? p[0] : 0.f, active ? p[1] : 0.f, active ? p[2] : 0.f};
  float sum[3] = {0, 0, 0};
  for (int l = 0; l < levels.count; ++l) {
    const Corners<float> at = corners_of(levels, l, point);
    float g[F];
    for (int f = 0; f < F; ++f) g[f] = to_float(own[l * F + f]) * inverse;
    if (g_table) scatter_level<F>(levels, l, at, g, active, g_table);
    if (g_points) add_point_gradient<F>(levels, l, at, table, g, sum);
  }
  if (g_points && active)
    for (int a = 0; a < 3; ++a) g_points[3 * rows.point + a] = sum[a];
}

template <int F>
__global__ void __launch_bounds__(128)
    backward(const float* points, int64_t P, const float* table, Levels<float> levels,
             const float* flat, Network net, Scratch scratch, const float* g_out, float* g_table,
             float* g_points) {
  float* patches = shared_memory<float>();
  Half* input = reinterpret_cast<Half*>(patches + blockDim.x / 32 * kPatch);
  Half* hidden = input + blockDim.x * row_of(net.inputs);
  // values of a layer, -1 the features; the block's rows
  const auto values = [&](int l) {
    return l < 0 ? input : hidden + size_t(l) * blockDim.x * row_of(net.hidden);
  };
  float* own = scratch.parts + int64_t(blockIdx.x) * padded_first(net, net.layers + 1, true);
  const float scale = scale_of(scratch, false), inverse = scale_of(scratch, true);
  const int64_t tiles = (P + blockDim.x - 1) / blockDim.x;
  for (int64_t tile = blockIdx.x; tile < tiles; tile += gridDim.x) {
    const Rows rows = rows_of(tile, P, patches);
    const bool first = tile == blockIdx.x;
    const int before = kRowsOfWarp * rows.warp;  // rows of other warps
    __syncthreads();  // the features of the tile before this one have been read by all
    encode_rows<F>(rows, points, table, levels, net.inputs, input + before * row_of(net.inputs));
    for (int l = 0; l < net.layers; ++l) {
      const int stride = row_of(net.hidden);
      Half* next = values(l) + before * stride;
      run_layer(rows, net, l, flat, scratch, values(l - 1) + before * row_of(inputs_of(net, l)),
                [&](int row, int o, float value) {
                  next[row * stride + o] = to_half(o < net.hidden ? activated(net, value) : 0.f);
                });
    }
    Half* g_last = values(net.layers) + before * row_of(net.outputs);
    const float* cotangents = g_out + (rows.point - rows.lane) * net.outputs;
    const int out16 = padded16(net.outputs);
    for (int k = rows.lane; k < kRowsOfWarp * out16; k += 32) {
      const int row = k / out16, o = k % out16;
      const bool there = row < rows.count && o < net.outputs;
      g_last[row * row_of(net.outputs) + o] =
          to_half(there ? cotangents[row * net.outputs + o] * scale : 0.f);
    }
    for (int l = net.layers; l >= 0; --l) {
      const int in = inputs_of(net, l), out = outputs_of(net, l), in16 = padded16(in);
      const Half* g = values(l);
      Half* below = values(l - 1);
      float* sums = own + padded_first(net, l, true);
      __syncthreads();
      add_products(g, row_of(out), padded16(out), below, row_of(in), in16, blockDim.x, first, sums);
      for (int o = threadIdx.x; o < out; o += blockDim.x) {
        float sum = 0;
        for (int row = 0; row < int(blockDim.x); ++row) sum += to_float(g[row * row_of(out) + o]);
        float* place = sums + padded16(out) * in16 + o;
        *place = first ? sum : *place + sum;
      }
      if (l == 0 && !g_table && !g_points) break;
      __syncthreads();
      Half* mine = below + before * row_of(in);
      const Half* weights = static_cast<const Half*>(scratch.weights) + padded_first(net, l, false);
      multiply_rows<false>(g + before * row_of(out), row_of(out), weights, in16, padded16(out),
                           in16, rows.patch, [&](int row, int i, float value) {
                             Half* place = mine + row * row_of(in) + i;
                             *place = to_half(l > 0 ? value * slope_of(net, to_float(*place))
                                                    : value);
                           });
    }
    if (g_table || g_points)
      scatter_rows<F>(rows, points, table, levels, net.inputs,
                      input + before * row_of(net.inputs), inverse, g_table, g_points);
  }
}

__global__ void add_parts(Scratch scratch, int64_t count, Network net, float* g_flat) {
  int64_t k = item();
  const int64_t place = k, N = padded_first(net, net.layers + 1, true);
  for (int l = 0; l <= net.layers; ++l) {
    const int in = inputs_of(net, l), out = outputs_of(net, l), size = out * (in + 1);
    if (k >= size) {
      k -= size;
      continue;
    }
    const int64_t at = padded_first(net, l, true) +
                       (k < out * in ? k / in * padded16(in) + k % in
                                     : int64_t(padded16(out)) * padded16(in) + k - out * in);
    float sum = 0;
#pragma unroll 8
    for (int64_t i = 0; i < count; ++i) sum += scratch.parts[i * N + at];
    g_flat[place] = sum * scale_of(scratch, true);
    return;
  }
}

#endif  // HEAD3D_DEVICE

}  // namespace head3d::encode_mlp_half

#if HEAD3D_HOST

using namespace head3d;

namespace {

encode_mlp_half::Scratch scratch_of(float* memory, const Network& net) {
  float* weights = memory + 8;  // 8: fragments are aligned to 32 bytes
  return {memory, weights, weights + padded_first(net, net.layers + 1, false) / 2};
}

// Warps of a block, so that `numbers` 16-bit numbers a point fit shared memory; 0 if those of one do not.
int warps_for(int numbers, int* bytes) {
  int device = 0, most_bytes = 0;
  cudaGetDevice(&device);
  cudaDeviceGetAttribute(&most_bytes, cudaDevAttrMaxSharedMemoryPerBlockOptin, device);
  for (int warps = 4; warps > 0; warps /= 2) {
    *bytes = warps * (kPatch * int(sizeof(float)) + kRowsOfWarp * numbers * 2);
    if (*bytes <= most_bytes) return warps;
  }
  return 0;
}

int run_pack(const float* flat, const Network& net, const encode_mlp_half::Scratch& scratch, int64_t stream) {
  HEAD3D_LAUNCH(encode_mlp_half::pack, padded_first(net, net.layers + 1, false), 1, stream, flat, net,
                scratch);
  return 0;
}

template <int F>
int run_forward(const float* points, int64_t P, const float* table, const Levels<float>& levels,
                const float* flat, const Network& net, float* memory, float* out, int64_t stream) {
  int bytes = 0;
  const int warps = warps_for(2 * row_of(most(net.inputs, net.hidden)), &bytes);
  if (warps == 0) return int(cudaErrorInvalidValue);
  if (P == 0) return 0;
  const encode_mlp_half::Scratch scratch = scratch_of(memory, net);
  if (const int error = run_pack(flat, net, scratch, stream)) return error;
  HEAD3D_LAUNCH_AS(encode_mlp_half::forward<F>, dim3(unsigned((P + 32 * warps - 1) / (32 * warps))),
                   dim3(unsigned(32 * warps)), bytes, stream, points, P, table, levels, flat, net,
                   scratch, out);
  return 0;
}

template <int F>
int run_backward(const float* points, int64_t P, const float* table, const Levels<float>& levels,
                 const float* flat, const Network& net, float* memory, const float* g_out,
                 float* g_table, float* g_points, float* g_flat, int64_t stream) {
  int bytes = 0;
  const int numbers = row_of(net.inputs) + net.layers * row_of(net.hidden) + row_of(net.outputs);
  const int warps = warps_for(numbers, &bytes);
  if (warps == 0) return int(cudaErrorInvalidValue);
  const encode_mlp_half::Scratch scratch = scratch_of(memory, net);
  if (const int error = run_pack(flat, net, scratch, stream)) return error;
  const int64_t blocks = least((P + 32 * warps - 1) / (32 * warps), parts());
  if (blocks > 0) {
    HEAD3D_LAUNCH_AS(encode_mlp_half::find_largest, dim3(unsigned(blocks)), dim3(kThreads), 0, stream, g_out,
                     P * net.outputs, scratch);
    HEAD3D_LAUNCH_AS(encode_mlp_half::backward<F>, dim3(unsigned(blocks)), dim3(unsigned(32 * warps)), bytes,
                     stream, points, P, table, levels, flat, net, scratch, g_out, g_table,
                     g_points);
  }
  HEAD3D_LAUNCH(encode_mlp_half::add_parts, first_of(net, net.layers + 1), 1, stream, scratch, blocks, net,
                g_flat);
  return 0;
}

}  // namespace

int64_t head3d_encode_mlp_half_scratch(const int64_t* shape, int64_t backward) {
  const Network net = network_of(shape);
  return 8 + padded_first(net, net.layers + 1, false) / 2 +
         (backward ? parts() * padded_first(net, net.layers + 1, true) : 0);
}

int head3d_encode_mlp_half_fwd(const float* points, int64_t P, const float* table,
                               const double* scales, const int64_t* layout, int64_t L, int64_t F,
                               int64_t smooth, const float* flat, const int64_t* shape,
                               float* scratch, float* out, int64_t stream) {
  if (L > kLevels) return int(cudaErrorInvalidValue);
  const Levels<float> levels = levels_of<float>(scales, layout, L, smooth);
  HEAD3D_BY_FEATURES(F, run_forward, points, P, table, levels, flat, network_of(shape), scratch,
                     out, stream)
}

int head3d_encode_mlp_half_bwd(const float* points, int64_t P, const float* table,
                               const double* scales, const int64_t* layout, int64_t L, int64_t F,
                               int64_t smooth, const float* flat, const int64_t* shape,
                               float* scratch, const float* g_out, float* g_table, float* g_points,
                               float* g_flat, int64_t stream) {
  if (L > kLevels) return int(cudaErrorInvalidValue);
  const Levels<float> levels = levels_of<float>(scales, layout, L, smooth);
  HEAD3D_BY_FEATURES(F, run_backward, points, P, table, levels, flat, network_of(shape), scratch,
                     g_out, g_table, g_points, g_flat, stream)
}

#endif  // HEAD3D_HOST
