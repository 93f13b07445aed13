// The radiance field along a ray: lookups in its volumes, hash features and small networks, where a ray samples it,
// and what the samples add up to. The formulas of head3d/field and head3d/render, in float32.
#pragma once
#include <cmath>

#include "grid_sample.h"
#include "shading.h"

namespace head3d {

constexpr int kMostLevels = 32, kMostFeatures = 64, kMostColors = 8;

struct FieldVolume {
  const float* values;  // C D H W: channels, then z, y, x; null if absent
  int32_t n[3];         // nodes along x, y, z; at least 2
  float origin[3], inverse_cell;
  HEAD3D_HD int32_t row() const { return n[0]; }
  HEAD3D_HD int32_t slab() const { return n[0] * n[1]; }
  HEAD3D_HD const float* channel(int c) const { return values + int64_t(c) * slab() * n[2]; }
};

// Hash features -> hidden (ReLU) -> outputs.
struct FieldNet {
  const float *table, *weight_in /* hidden I */, *bias_in /* hidden */, *weight_out /* O hidden */;
  int32_t levels, features, hidden;
  bool smooth;
  HashLevel level[kMostLevels];
  float scale[kMostLevels];
  int64_t offset[kMostLevels];
  HEAD3D_HD int32_t width() const { return levels * features; }
};

struct Field {
  FieldVolume cache;   // 1: signed distance to march on
  FieldVolume shape;   // 1: base signed distance
  FieldVolume traits;  // 2: reach of the residual, softness
  FieldVolume paint;   // 4: base albedo as logits, seen
  FieldVolume deform;  // 3: displacement to the neutral head
  FieldNet geometry, color;  // 1 and 6 outputs
  float box_scale;           // 1 / width of the features' box
  float unit;                // of the geometry network's output, m
  float residual;            // largest residual radiance
  float sd;                  // blur of the surface, m
};

// Reads the description of abi.h. Scales and layout of the hash grids lie in memory the host can read.
HEAD3D_HOST_ONLY Field described_field(const int64_t* slots, const double* numbers) {
  Field field{};
  FieldVolume* volumes[5] = {&field.cache, &field.shape, &field.traits, &field.paint,
                             &field.deform};
  for (int v = 0; v < 5; ++v, slots += 4, numbers += 4) {
    volumes[v]->values = reinterpret_cast<const float*>(slots[0]);
    for (int a = 0; a < 3; ++a) {
      volumes[v]->n[a] = int32_t(slots[1 + a]);
      volumes[v]->origin[a] = float(numbers[a]);
    }
    volumes[v]->inverse_cell = float(1 / numbers[3]);
  }
  FieldNet* nets[2] = {&field.geometry, &field.color};
  for (FieldNet* net : nets) {
    const double* scales = reinterpret_cast<const double*>(slots[1]);
    const int64_t* layout = reinterpret_cast<const int64_t*>(slots[2]);
    net->table = reinterpret_cast<const float*>(slots[0]);
    net->levels = int32_t(slots[3]);
    net->features = int32_t(slots[4]);
    net->smooth = slots[5] != 0;
    net->weight_in = reinterpret_cast<const float*>(slots[6]);
    net->bias_in = reinterpret_cast<const float*>(slots[7]);
    net->weight_out = reinterpret_cast<const float*>(slots[8]);
    net->hidden = int32_t(slots[9]);
    for (int l = 0; l < net->levels; ++l) {
      const int64_t resolution = layout[3 * l], entries = layout[3 * l + 2];
      net->level[l] = {uint32_t(resolution), uint32_t(entries),
                       resolution * resolution * resolution > entries};
      net->scale[l] = float(scales[l]);
      net->offset[l] = layout[3 * l + 1];
    }
    slots += 10;
  }
  field.box_scale = float(numbers[0]);
  field.unit = float(numbers[1]);
  field.residual = float(numbers[2]);
  field.sd = float(numbers[3]);
  return field;
}

// exp to 2 units in the last place (polynomial of Cephes' expf), without branches so that loops over it become vector
// code. Finite for every argument: beyond [-87, 88] it stays at the ends.
HEAD3D_HD float quick_exp(float x) {
  x = clamp(x, -87.f, 88.f);
  const int32_t power = int32_t(x * 1.44269504f + 127.5f);  // positive: cutting off rounds down
  const float n = float(power - 127), r = (x - n * 0.693359375f) + n * 2.12194440e-4f;
  float y = 1.9875691500e-4f;
  y = y * r + 1.3981999507e-3f;
  y = y * r + 8.3334519073e-3f;
  y = y * r + 4.1665795894e-2f;
  y = y * r + 1.6666665459e-1f;
  y = y * r + 5.0000001201e-1f;
  y = y * r * r + r + 1.f;
  const int32_t bits = power << 23;
#if defined(__CUDACC__) && defined(__CUDA_ARCH__)
  return y * __int_as_float(bits);
#else
  float scale;
  __builtin_memcpy(&scale, &bits, sizeof scale);
  return y * scale;
#endif
}

HEAD3D_HD float logistic(float x) { return 1.f / (1.f + quick_exp(-x)); }

// Right to 1e-7 of the largest value, which is what is asked of displacements and colours.
HEAD3D_HD float quick_tanh(float x) { return 1.f - 2.f / (1.f + quick_exp(2.f * x)); }

// Trilinear value of a channel in the cell whose lowest node is `at`.
HEAD3D_HD float cell_value(const float* channel, int32_t row, int32_t slab, int32_t at, float wx,
                           float wy, float wz) {
  const float a = channel[at], b = channel[at + row], c = channel[at + slab],
              d = channel[at + slab + row];
  const float ax = a + wx * (channel[at + 1] - a), bx = b + wx * (channel[at + row + 1] - b);
  const float cx = c + wx * (channel[at + slab + 1] - c);
  const float dx = d + wx * (channel[at + slab + row + 1] - d);
  const float low = ax + wy * (bx - ax), high = cx + wy * (dx - cx);
  return low + wz * (high - low);
}

// Displacement of the geometry network's raw output, within its reach.
HEAD3D_HD float bounded_residual(float raw, float unit, float reach) {
  return reach * quick_tanh(raw * unit / reach);
}

// --- marching: head3d/field/occupancy.py

constexpr int kLeaps = 48;          // steps allowed for reaching the shell
constexpr float kSafety = 0.7f;     // of the promised distance; as SAFETY there
constexpr float kNearest = 0.02f;   // m: no ray begins nearer to the camera
constexpr float kClear = 1e-4f;     // of the light: what lies behind is not shown, nor a section so faint
constexpr float kInvisible = 1e-5f;  // opacity of a ray that gets no colour
constexpr float kFill = 0.02f;  // least part that the other half gives to the colour of an unseen place

constexpr float kUnknown = 3e38f;   // m: the distance before a ray's first sample; its slope becomes the steepest

struct MarchRule {
  float shell, edge, step;  // m; leaps aim at the edge
};

HEAD3D_HOST_ONLY MarchRule march_rule(double sd) {
  const double wide = 4 * sd > 2e-3 ? 4 * sd : 2e-3, shell = wide < 12e-3 ? wide : 12e-3;
  return {float(shell), float(0.8 * shell), float(0.8 * sd)};
}

// Leap towards the shell.
HEAD3D_HD float march_approach(MarchRule rule, float value) {
  return most((value - rule.edge) * kSafety, 0.f);
}

// Distance to the next sample. A ray that grazes the surface changes its distance slowly: it may take longer steps, and
// must, to get past it.
HEAD3D_HD float march_stride(MarchRule rule, float value, float before, float stride) {
  const float slope = clamp(std::fabs((before - value) / stride), 0.25f, 1.f);
  const float leap = kSafety * (value > 0.f ? value : -1.5f * value);
  return most(leap, rule.step / slope);
}

// Where a ray enters and leaves a volume's box; far <= near where it misses it.
HEAD3D_HD void box_span(const FieldVolume& volume, const float o[3], const float d[3], float& near,
                        float& far) {
  near = kNearest;
  far = 1e9f;
  for (int a = 0; a < 3; ++a) {
    const float inverse = 1.f / (std::fabs(d[a]) < 1e-9f ? 1e-9f : d[a]);
    const float first = (volume.origin[a] - o[a]) * inverse;
    const float last =
        (volume.origin[a] + float(volume.n[a] - 1) / volume.inverse_cell - o[a]) * inverse;
    near = most(near, least(first, last));
    far = least(far, most(first, last));
  }
}

// --- sections between samples: head3d/render/sections.py

struct RaySum {
  float t, sdf, phi;   // of the last sample
  float clear, alpha;  // light that got past, light that was stopped
  int32_t samples, kept;
  float weight[kMostColors], at[kMostColors];  // the heaviest sections, and the surface in them
};

HEAD3D_HD void begin(RaySum& ray) {
  ray.clear = 1.f;
  ray.alpha = 0.f;
  ray.samples = ray.kept = 0;
}

HEAD3D_HD void add_section(RaySum& ray, float alpha, float at, int colors) {
  const float weight = alpha * ray.clear;
  ray.clear *= 1.f - alpha + 1e-7f;
  ray.alpha += weight;
  if (ray.kept < colors)
    ++ray.kept;
  else if (weight <= ray.weight[colors - 1])
    return;
  int k = ray.kept - 1;
  for (; k > 0 && ray.weight[k - 1] < weight; --k) {
    ray.weight[k] = ray.weight[k - 1];
    ray.at[k] = ray.at[k - 1];
  }
  ray.weight[k] = weight;
  ray.at[k] = at;
}

// NeuS (Wang et al. 2021): a section stops (Phi0 - Phi1) / Phi0; the surface in it is where the distance crosses zero.
HEAD3D_HD void add_sample(RaySum& ray, float t, float sdf, float phi, int colors) {
  if (ray.samples > 0) {
    const float alpha = clamp((ray.phi - phi) / (ray.phi + 1e-6f), 0.f, 1.f);
    const float s0 = ray.sdf, gap = most(t - ray.t, 0.f);
    float inner = s0 > 0.f && sdf > 0.f && sdf < s0 ? 1.f : 0.f;
    if (s0 > 0.f && sdf < 0.f) inner = s0 / most(s0 - sdf, 1e-5f);
    add_section(ray, alpha, ray.t + gap * inner, colors);
  }
  ray.t = t;
  ray.sdf = sdf;
  ray.phi = phi;
  ++ray.samples;
}

// Behind the last sample nothing is known: it is solid if that sample was inside.
HEAD3D_HD void end(RaySum& ray, int colors) {
  if (ray.samples > 0 && ray.sdf < 0.f) add_section(ray, 1.f, ray.t, colors);
  ray.alpha = least(ray.alpha, 1.f);
}

// How many of the kept sections get a colour: the first, and those that are not too faint.
HEAD3D_HD int colored(const RaySum& ray) {
  int count = 0;
  while (count < ray.kept && (count == 0 || ray.weight[count] > kClear)) ++count;
  return count;
}

// --- light: head3d/geometry/sh.py, and shade() of head3d/render/volume.py

constexpr float kDarkest = 0.03f;  // of the ambient light; as DARKEST there

// Radiance of a white matte surface, kept positive smoothly; sh is 9 3.
HEAD3D_HD void shade_white(const float n[3], const float* sh, float light[3]) {
  float basis[kHarmonics];
  irradiance_basis(n[0], n[1], n[2], basis);
  for (int c = 0; c < 3; ++c) {
    float sum = 0.f;
    for (int k = 0; k < 9; ++k) sum += basis[k] * sh[3 * k + c];
    const float floor = light_floor(sh[c], kDarkest);
    light[c] = sum > 2.f * floor
                   ? sum
                   : floor * (1.f + quick_exp(least(sum / most(floor, 1e-6f) - 2.f, 0.f)));
  }
}

// A tetrahedron about a point: its signed distances give the gradient.
HEAD3D_HD float corner_sign(int corner, int axis) {
  // (1 -1 -1), (-1 -1 1), (-1 1 -1), (1 1 1)
  return (0xea1 >> (3 * corner + axis) & 1) ? 1.f : -1.f;
}

HEAD3D_HD void normalized(float v[3]) {
  const float length = std::sqrt(v[0] * v[0] + v[1] * v[1] + v[2] * v[2]);
  const float inverse = 1.f / most(length, 1e-6f);
  for (int a = 0; a < 3; ++a) v[a] *= inverse;
}

}  // namespace head3d
