// Light on one pixel of a picture of the field: soft light through cones, lamps through the cached distance, a sheen.
// The formulas and their sources are those of head3d/render/relight.py and shadows.py, in float32.
#pragma once
#include "field_ray.h"

namespace head3d {

constexpr float kPi = 3.14159265f;
constexpr int kShadowSteps = 40;         // as STEPS there, and so on
constexpr float kLeastStep = 2.5e-3f;    // m
constexpr float kShadowStart = 4e-3f;    // m
constexpr float kBroad = 4e-3f;          // m
constexpr float kNarrowestLamp = 0.02f;  // sine
constexpr float kConeSine = 0.5f;
constexpr int kCones = 6, kConeTaps = 5;
constexpr float kOff = 2e-3f, kHairOff = 5e-3f, kHairSine = 0.15f;  // m, m, sine
constexpr float kFine = 0.3f;            // part of the fine normal
constexpr float kSkinF0 = 0.028f;
constexpr float kBroadLobe = 0.48f, kNarrowLobe = 0.30f, kBroadShare = 0.85f;
constexpr float kHairless = 0.3f;        // softness above 1 at which there is no sheen any more
constexpr float kMirrorSine = 0.4f;
constexpr float kRim = 0.1f;             // least cosine to the camera
constexpr int kLampNumbers = 11;         // position 3, irradiance 3, facing 3, radius, distant
constexpr float kNearestLamp = 1e-3f;    // m

struct RelightRule {
  FieldVolume cache;
  const float* sh;     // 9 3
  const float* lamps;  // L kLampNumbers
  int lamp_count;
  float eye[3], shadows, occlusion, gloss;
};

HEAD3D_HOST_ONLY RelightRule relight_rule(const int64_t* field, const double* numbers,
                                          const float* sh, const float* lamps, int64_t L,
                                          const double* settings) {
  RelightRule rule{described_field(field, numbers).cache, sh, lamps, int(L), {}, 0, 0, 0};
  for (int a = 0; a < 3; ++a) rule.eye[a] = float(settings[a]);
  rule.shadows = float(settings[3]);
  rule.occlusion = float(settings[4]);
  rule.gloss = float(settings[5]);
  return rule;
}

HEAD3D_HD float dot3(const float a[3], const float b[3]) {
  return a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
}

// asin to 7e-5 (Abramowitz & Stegun 4.4.45).
HEAD3D_HD float quick_asin(float x) {
  const float y = std::fabs(x);
  const float a = std::sqrt(most(1.f - y, 0.f)) *
                  (1.5707288f + y * (-0.2121144f + y * (0.0742610f - 0.0187293f * y)));
  return x < 0.f ? a - 0.5f * kPi : 0.5f * kPi - a;
}

// Visible part of a disc whose centre stands `height` radii above a straight edge.
HEAD3D_HD float disc_part(float height) {
  const float x = clamp(height, -1.f, 1.f);
  return 0.5f + (x * std::sqrt(most(1.f - x * x, 0.f)) + quick_asin(x)) / kPi;
}

// Part of a round lamp in direction d that is seen past the surface.
HEAD3D_HD float lamp_visibility(const FieldVolume& cache, const float point[3], const float n[3],
                                const float d[3], float sine, float far, float off) {
  const float cosine = dot3(n, d);
  if (!(cosine > -sine)) return 0.f;
  const float lowest = sine - cosine, lift = 0.5f * most(lowest, 0.f);
  const float wide = most(lowest > 0.f ? 0.5f * (sine + cosine) : sine, kNarrowestLamp);
  float way[3], origin[3], p[3], near, end;
  for (int a = 0; a < 3; ++a) {
    way[a] = d[a] + n[a] * lift;
    origin[a] = point[a] + n[a] * off;
  }
  normalized(way);
  box_span(cache, origin, way, near, end);
  end = least(end, far);
  float worst = 1.f, t = kShadowStart;
  for (int step = 0; step < kShadowSteps && t < end && worst > -1.f; ++step) {
    for (int a = 0; a < 3; ++a) p[a] = origin[a] + way[a] * t;
    const float value = volume_value(cache, 0, p);
    worst = least(worst, value / (wide * t));
    t += most(kSafety * std::fabs(value), most(0.5f * wide * t, kLeastStep));
  }
  return disc_part(worst);
}

// Radiance of incident harmonics along a direction.
HEAD3D_HD void sky(const float d[3], const float* sh, float blur1, float blur2, float out[3]) {
  float basis[kHarmonics];
  radiance_basis(d[0], d[1], d[2], blur1, blur2, basis);
  for (int c = 0; c < 3; ++c) {
    out[c] = 0.f;
    for (int k = 0; k < 9; ++k) out[c] += basis[k] * sh[3 * k + c];
  }
}

// Axes of the cones about n; the first is n.
HEAD3D_HD void cone_axis(const float n[3], int cone, float axis[3]) {
  if (cone == 0) {
    for (int a = 0; a < 3; ++a) axis[a] = n[a];
    return;
  }
  constexpr float kCosine[5] = {1.f, 0.30901699f, -0.80901699f, -0.80901699f, 0.30901699f};
  constexpr float kSine[5] = {0.f, 0.95105652f, 0.58778525f, -0.58778525f, -0.95105652f};
  const float sign = n[2] < 0.f ? -1.f : 1.f, a = -1.f / (sign + n[2]), b = n[0] * n[1] * a;
  const float first[3] = {1.f + sign * n[0] * n[0] * a, sign * b, -sign * n[0]};
  const float second[3] = {b, sign + n[1] * n[1] * a, -n[1]};
  for (int k = 0; k < 3; ++k)
    axis[k] = 0.5f * n[k] +
              0.86602540f * (first[k] * kCosine[cone - 1] + second[k] * kSine[cone - 1]);
}

// Part of the soft light that reaches a point, per colour.
HEAD3D_HD void open_sky(const RelightRule& rule, const float point[3], const float n[3], float off,
                        float part[3]) {
  constexpr float kTaps[kConeTaps] = {0.006f, 0.014f, 0.032f, 0.070f, 0.140f};
  float sent[3] = {}, seen[3] = {};
  for (int cone = 0; cone < kCones; ++cone) {
    float axis[3], color[3], p[3], worst = 1.f;
    cone_axis(n, cone, axis);
    for (int tap = 0; tap < kConeTaps; ++tap) {
      for (int a = 0; a < 3; ++a) p[a] = point[a] + n[a] * off + axis[a] * kTaps[tap];
      worst = least(worst, volume_value(rule.cache, 0, p) / (kConeSine * kTaps[tap]));
    }
    const float open = disc_part(worst), share = cone == 0 ? 0.25f : 0.15f;
    sky(axis, rule.sh, 1.f, 1.f, color);
    for (int c = 0; c < 3; ++c) {
      const float floor = light_floor(rule.sh[c], kDarkest) + 1e-9f;
      const float light = share * most(color[c], floor);
      sent[c] += light;
      seen[c] += light * open;
    }
  }
  for (int c = 0; c < 3; ++c) part[c] = 1.f - rule.occlusion * (1.f - seen[c] / sent[c]);
}

HEAD3D_HD float bounced(float open, float albedo) {
  const float a = 2.0404f * albedo - 0.3324f, b = -4.7951f * albedo + 0.6417f,
              c = 2.7552f * albedo + 0.6903f;
  return most(open, ((open * a + b) * open + c) * open);
}

HEAD3D_HD float power5(float x) { return x * x * (x * x) * x; }

// Radiance per irradiance that skin sends to the camera as sheen.
HEAD3D_HD float sheen(const float n[3], const float d[3], const float to_camera[3], float sine) {
  float half[3] = {d[0] + to_camera[0], d[1] + to_camera[1], d[2] + to_camera[2]};
  normalized(half);
  const float nh = clamp(dot3(n, half), 0.f, 1.f), nl = clamp(dot3(n, d), 1e-3f, 1.f);
  const float nv = clamp(dot3(n, to_camera), kRim, 1.f);
  const float fresnel = kSkinF0 + (1.f - kSkinF0) * power5(1.f - clamp(dot3(half, d), 0.f, 1.f));
  float total = 0.f;
  for (int lobe = 0; lobe < 2; ++lobe) {
    const float roughness = lobe == 0 ? kBroadLobe : kNarrowLobe;
    const float a = least(roughness * roughness + 0.5f * sine, 1.f), a2 = a * a;
    const float wide = nh * nh * (a2 - 1.f) + 1.f, spread = a2 / (kPi * wide * wide);
    const float meet = 0.5f / (nl * std::sqrt(nv * nv * (1.f - a2) + a2) +
                               nv * std::sqrt(nl * nl * (1.f - a2) + a2));
    total += (lobe == 0 ? kBroadShare : 1.f - kBroadShare) * spread * meet;
  }
  return total * fresnel;
}

// Radiance of the soft light in the sheen.
HEAD3D_HD void sky_sheen(const RelightRule& rule, const float point[3], const float n[3],
                         const float to_camera[3], float off, float out[3]) {
  const float facing = dot3(n, to_camera), nv = clamp(facing, kRim, 1.f);
  float mirrored[3];
  for (int a = 0; a < 3; ++a) mirrored[a] = 2.f * facing * n[a] - to_camera[a];
  normalized(mirrored);
  const float r = kBroadLobe, a2 = r * r * r * r;
  sky(mirrored, rule.sh, std::exp(-a2), std::exp(-3.f * a2), out);
  const float seen = lamp_visibility(rule.cache, point, n, mirrored, kMirrorSine, kUnknown, off);
  const float fall = least((1.f - r) * (1.f - r), std::exp(-9.28f * 0.69314718f * nv));
  const float first = fall * (1.f - r) + 0.0425f - 0.0275f * r;
  const float part = kSkinF0 * (-1.04f * first + 1.04f - 0.572f * r) + 1.04f * first + 0.022f * r -
                     0.04f;
  for (int c = 0; c < 3; ++c) out[c] = most(out[c], 0.f) * most(part, 0.f) * seen;
}

// What a lamp is to a point: direction, strength, sine, distance.
HEAD3D_HD void lamp_arrival(const float* lamp, const float point[3], float d[3], float& strength,
                            float& sine, float& far) {
  if (lamp[10] != 0.f) {
    for (int a = 0; a < 3; ++a) d[a] = lamp[a];
    strength = 1.f;
    sine = lamp[9];
    far = kUnknown;
    return;
  }
  for (int a = 0; a < 3; ++a) d[a] = lamp[a] - point[a];
  const float square = most(dot3(d, d), kNearestLamp * kNearestLamp), wide = square + lamp[9] * lamp[9];
  far = std::sqrt(square);
  for (int a = 0; a < 3; ++a) d[a] /= far;
  strength = 1.f / wide;
  sine = lamp[9] / std::sqrt(wide);
  if (dot3(lamp + 6, lamp + 6) > 0.f) strength *= most(-dot3(d, lamp + 6), 0.f);
}

// Cosine of a round lamp, smooth where the horizon cuts it.
HEAD3D_HD float round_cosine(float cosine, float sine) {
  const float s = most(sine, 1e-4f), up = most(cosine + s, 0.f);
  return cosine > s ? cosine : up * up / (4.f * s);
}

// Radiance of one pixel. place: where it is, neutral: where that is on the neutral head, m; hair 0 (skin) to 1.
HEAD3D_HD void relight_pixel(const RelightRule& rule, const float place[3], const float neutral[3],
                             const float fine[3], const float albedo[3], float hair, float out[3]) {
  float broad[3] = {}, n[3], to_camera[3], p[3];
  for (int k = 0; k < 4; ++k) {
    for (int a = 0; a < 3; ++a) p[a] = neutral[a] + kBroad * corner_sign(k, a);
    const float value = volume_value(rule.cache, 0, p) / (4.f * kBroad);
    for (int a = 0; a < 3; ++a) broad[a] += value * corner_sign(k, a);
  }
  const bool flat = dot3(broad, broad) < 0.04f;  // between two walls, or outside the volume
  for (int a = 0; a < 3; ++a) {
    broad[a] = flat ? fine[a] : broad[a];
    to_camera[a] = rule.eye[a] - place[a];
  }
  normalized(broad);
  normalized(to_camera);
  for (int a = 0; a < 3; ++a) n[a] = broad[a] + kFine * (fine[a] - broad[a]);
  normalized(n);

  const float off = kOff + kHairOff * hair;
  const float skin = most(1.f - hair / kHairless, 0.f) * rule.gloss;
  float soft[3], part[3] = {1.f, 1.f, 1.f}, shine[3] = {};
  shade_white(n, rule.sh, soft);
  if (rule.occlusion > 0.f) open_sky(rule, neutral, broad, off, part);
  if (skin > 0.f) sky_sheen(rule, neutral, broad, to_camera, off, shine);
  for (int c = 0; c < 3; ++c) soft[c] *= bounced(part[c], albedo[c]);
  for (int l = 0; l < rule.lamp_count; ++l) {
    const float* lamp = rule.lamps + kLampNumbers * l;
    float d[3], strength, sine, far;
    lamp_arrival(lamp, place, d, strength, sine, far);
    sine = most(sine, kHairSine * hair);
    float arriving = round_cosine(dot3(n, d), sine) * strength;
    if (!(arriving > 1e-4f)) continue;
    if (rule.shadows > 0.f)
      arriving *= 1.f - rule.shadows * (1.f - lamp_visibility(rule.cache, neutral, broad, d, sine, far, off));
    const float mirror = skin > 0.f ? sheen(broad, d, to_camera, sine) : 0.f;
    for (int c = 0; c < 3; ++c) {
      soft[c] += arriving * lamp[3 + c] / kPi;
      shine[c] += arriving * lamp[3 + c] * mirror;
    }
  }
  for (int c = 0; c < 3; ++c) out[c] = albedo[c] * soft[c] + shine[c] * skin;
}

}  // namespace head3d
