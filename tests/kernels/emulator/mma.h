// nvcuda::wmma for g++, 16 x 16 x 16. Which lane holds which element is not what any GPU does; code must not care.
// Alignment is checked, and that all lanes load the same matrix. A load is no barrier: a forgotten __syncwarp shows.
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
  const void* place = nullptr;  // loaded from
};

inline int emulator_element(int e) { return ::emulator::lane() * 8 + e; }

inline void emulator_check(const void* place, unsigned stride, size_t size) {
  if (reinterpret_cast<uintptr_t>(place) % 32) ::emulator::fail("a matrix is not aligned to 32 bytes");
  if (stride * size % 16) ::emulator::fail("rows of a matrix are no multiple of 16 bytes");
}

template <typename Use, typename T, typename V>
void fill_fragment(fragment<Use, 16, 16, 16, T>& to, V value) {
  for (T& element : to.x) element = T(value);
  to.place = nullptr;
}

template <typename Use, typename T, typename Layout>
void load_matrix_sync(fragment<Use, 16, 16, 16, T, Layout>& to, const T* from, unsigned stride) {
  emulator_check(from, stride, sizeof(T));
  constexpr bool kColumns = std::is_same_v<Layout, col_major>;
  for (int e = 0; e < 8; ++e) {
    const int row = emulator_element(e) / 16, column = emulator_element(e) % 16;
    to.x[e] = from[kColumns ? column * stride + row : row * stride + column];
  }
  to.place = from;
}
template <typename T>
void load_matrix_sync(fragment<accumulator, 16, 16, 16, T>& to, const T* from, unsigned stride,
                      layout_t layout) {
  emulator_check(from, stride, sizeof(T));
  if (layout != mem_row_major) ::emulator::fail("only rows are emulated");
  for (int e = 0; e < 8; ++e)
    to.x[e] = from[emulator_element(e) / 16 * stride + emulator_element(e) % 16];
  to.place = from;
}
template <typename T>
void store_matrix_sync(T* to, const fragment<accumulator, 16, 16, 16, T>& from, unsigned stride,
                       layout_t layout) {
  emulator_check(to, stride, sizeof(T));
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
    const void *left, *right, *sum;
  };
  Seen mine{{}, {}, a.place, b.place, c.place};
  for (int e = 0; e < 8; ++e) {
    mine.a[e] = emulator_float(a.x[e]);
    mine.b[e] = emulator_float(b.x[e]);
  }
  d = ::emulator::exchange(~0u, mine, [&](auto of) {
    for (int i = 0; i < 32; ++i)
      if (of(i).left != a.place || of(i).right != b.place || of(i).sum != c.place)
        ::emulator::fail("lanes multiply different matrices");
    fragment<accumulator, 16, 16, 16, float> result = c;
    for (int e = 0; e < 8; ++e) {
      const int row = emulator_element(e) / 16, column = emulator_element(e) % 16;
      for (int k = 0; k < 16; ++k) {
        const int left = row * 16 + k, right = k * 16 + column;
        result.x[e] += of(left / 8).a[left % 8] * of(right / 8).b[right % 8];
      }
    }
    return result;
  });
}

}  // namespace nvcuda::wmma
