// Runs the threads of a block as fibers of one CPU thread, block after block, so that kernels can be tested without a
// GPU. A fiber runs until it waits: code that lacks a barrier then reads what was not written yet, in one of the two
// orders at the latest. Shared memory is filled with NaN bytes before each block, and its end is watched.
#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>

struct dim3 {
  unsigned x, y, z;
  constexpr dim3(unsigned width = 1, unsigned height = 1, unsigned depth = 1)
      : x(width), y(height), z(depth) {}
};

namespace emulator {

extern dim3 thread_index, block_index, block_size, grid_size;

// Runs a kernel's body once per thread; returns 0, or cudaErrorLaunchFailure after fail().
int run(dim3 grid, dim3 block, size_t shared, const std::function<void()>& body);

// Gives up the launch from inside a thread of it; the text is read by emulator_message.
[[noreturn]] void fail(const char* text);

void block_barrier();
void warp_barrier(unsigned mask);

constexpr int kSlot = 512;  // bytes a lane can show to its warp
unsigned char* slot(int lane);
int lane();
int multiprocessors();

// What the lanes of the mask show to each other: slots are valid between the two barriers.
template <typename V, typename Use>
auto exchange(unsigned mask, const V& mine, const Use& use) {
  static_assert(sizeof(V) <= kSlot, "a slot holds it");
  if (!(mask >> lane() & 1)) fail("a lane takes part in a warp's exchange without being in the mask");
  *reinterpret_cast<V*>(slot(lane())) = mine;
  warp_barrier(mask);
  const auto result = use([](int other) -> const V& { return *reinterpret_cast<const V*>(slot(other)); });
  warp_barrier(mask);
  return result;
}

}  // namespace emulator
