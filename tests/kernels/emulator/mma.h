// nvcuda::wmma for g++, 16 x 16 x 16. Which lane holds which element is not what any GPU does; code must not care.
// Alignment and agreement of the lanes are checked.
#pragma once
#include <type_traits>

#include "cuda_bf16.h"
#include "cuda_fp16.h"

namespace nvcuda::wmma {

struct matrix_a;
struct matrix_b;
struct accumulator;
struct row_major;
struct col_major;
enum layout_t { mem_row_major, mem_col_major };

template <typename Use, int M, int N, int K, typename T, typename Layout = void>
struct fragment {
  static_assert(M == 16 && N == 16 && K == 16, "the only shape we use");
  static constexpr int num_elements = 8;
  T x[num_elements];
};

inline int emulator_element(int e) { return e * 32 + ::emulator::lane(); }

inline void emulator_together(const void* place, unsigned stride, size_t size) {
  struct Seen {
    const void* place;
    unsigned stride;
  };
  if (reinterpret_cast<uintptr_t>(place) % 32) ::emulator::fail("a matrix is not aligned to 32 bytes");
  if (stride * size % 16) ::emulator::fail("rows of a matrix are no multiple of 16 bytes");
  const bool same = ::emulator::exchange(~0u, Seen{place, stride}, [&](auto of) {
    bool all = true;
    for (int i = 0; i < 32; ++i) all &= of(i).place == place && of(i).stride == stride;
    return all;
  });
  if (!same) ::emulator::fail("lanes load or store different matrices");
}

template <typename Use, typename T, typename V>
void fill_fragment(fragment<Use, 16, 16, 16, T>& to, V value) {
  for (T& element : to.x) element = T(value);
}

// Elements are read before the lanes meet, so that a forgotten __syncwarp shows.
template <typename Use, typename T, typename Layout>
void load_matrix_sync(fragment<Use, 16, 16, 16, T, Layout>& to, const T* from, unsigned stride) {
  constexpr bool kColumns = std::is_same_v<Layout, col_major>;
  for (int e = 0; e < 8; ++e) {
    const int row = emulator_element(e) / 16, column = emulator_element(e) % 16;
    to.x[e] = from[kColumns ? column * stride + row : row * stride + column];
  }
  emulator_together(from, stride, sizeof(T));
}
template <typename T>
void load_matrix_sync(fragment<accumulator, 16, 16, 16, T>& to, const T* from, unsigned stride,
                      layout_t layout) {
  if (layout != mem_row_major) ::emulator::fail("only rows are emulated");
  for (int e = 0; e < 8; ++e)
    to.x[e] = from[emulator_element(e) / 16 * stride + emulator_element(e) % 16];
  emulator_together(from, stride, sizeof(T));
}
template <typename T>
void store_matrix_sync(T* to, const fragment<accumulator, 16, 16, 16, T>& from, unsigned stride,
                       layout_t layout) {
  emulator_together(to, stride, sizeof(T));
  if (layout != mem_row_major) ::emulator::fail("only rows are emulated");
  for (int e = 0; e < 8; ++e)
    to[emulator_element(e) / 16 * stride + emulator_element(e) % 16] = from.x[e];
}

template <typename T, typename LayoutA, typename LayoutB>
void mma_sync(fragment<accumulator, 16, 16, 16, float>& d,
              const fragment<matrix_a, 16, 16, 16, T, LayoutA>& a,
              const fragment<matrix_b, 16, 16, 16, T, LayoutB>& b,
              const fragment<accumulator, 16, 16, 16, float>& c) {
  struct Seen {
    float a[8], b[8];
  };
  Seen mine;
  for (int e = 0; e < 8; ++e) {
    mine.a[e] = emulator_float(a.x[e]);
    mine.b[e] = emulator_float(b.x[e]);
  }
  d = ::emulator::exchange(~0u, mine, [&](auto of) {
    fragment<accumulator, 16, 16, 16, float> result = c;
    for (int e = 0; e < 8; ++e) {
      const int row = emulator_element(e) / 16, column = emulator_element(e) % 16;
      for (int k = 0; k < 16; ++k) {
        const int left = row * 16 + k, right = k * 16 + column;
        result.x[e] += of(left % 32).a[left / 32] * of(right % 32).b[right / 32];
      }
    }
    return result;
  });
}

}  // namespace nvcuda::wmma
