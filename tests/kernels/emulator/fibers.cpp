// The scheduler of fibers.h. Switching is setjmp and longjmp, which make no system call; ucontext only makes stacks.
#include "fibers.h"

#include <setjmp.h>
#include <ucontext.h>

#include <cstring>
#include <memory>
#include <string>
#include <vector>

namespace head3d {
alignas(128) unsigned char dynamic_shared[1 << 18];  // of launch.h
}

namespace emulator {

dim3 thread_index, block_index, block_size, grid_size;

namespace {

constexpr size_t kStack = 1 << 17, kWatched = 1024;
constexpr unsigned char kCanary = 0xA5;
constexpr int kLaunchFailure = 719;  // cudaErrorLaunchFailure

struct Barrier {
  uint64_t generation = 0;
  unsigned arrived = 0, mask = 0;
};

struct Fiber {
  std::unique_ptr<unsigned char[]> stack;
  ucontext_t start;
  jmp_buf place;
  bool begun, done;
  const uint64_t* awaited;  // runs on when this differs from `seen`
  uint64_t seen;
};

struct Warp {
  Barrier barrier;
  alignas(16) unsigned char slots[32][kSlot];
};

std::vector<Fiber> fibers;
std::vector<Warp> warps;
Barrier whole;
jmp_buf scheduler;
int current, sms = 2;
bool backwards;
std::string message;
const std::function<void()>* kernel;

void enter() {
  (*kernel)();
  fibers[current].done = true;
  _longjmp(scheduler, 1);
}

void wait_for(Barrier& barrier, unsigned wanted) {
  Fiber& self = fibers[current];
  if (++barrier.arrived == wanted) {
    barrier.arrived = 0;
    ++barrier.generation;
    return;
  }
  self.awaited = &barrier.generation;
  self.seen = barrier.generation;
  if (!_setjmp(self.place)) _longjmp(scheduler, 1);
}

// Runs a fiber until it waits, ends or fails; everything here is global, because longjmp comes back.
void resume(int index) {
  current = index;
  thread_index = dim3(unsigned(index) % block_size.x, unsigned(index) / block_size.x % block_size.y,
                      unsigned(index) / block_size.x / block_size.y);
  if (_setjmp(scheduler)) return;
  Fiber& fiber = fibers[current];
  if (fiber.begun) _longjmp(fiber.place, 1);
  fiber.begun = true;
  setcontext(&fiber.start);
}

void prepare(unsigned threads) {
  if (fibers.size() < threads) fibers.resize(threads);
  warps.assign((threads + 31) / 32, Warp());
  whole = Barrier();
  for (unsigned t = 0; t < threads; ++t) {
    Fiber& fiber = fibers[t];
    if (!fiber.stack) fiber.stack.reset(new unsigned char[kStack]);
    getcontext(&fiber.start);
    fiber.start.uc_stack.ss_sp = fiber.stack.get();
    fiber.start.uc_stack.ss_size = kStack;
    fiber.start.uc_link = nullptr;
    makecontext(&fiber.start, enter, 0);
    fiber.begun = fiber.done = false;
    fiber.awaited = nullptr;
  }
}

bool run_block(unsigned threads, size_t shared) {
  prepare(threads);
  std::memset(head3d::dynamic_shared, 0xFF, shared);
  std::memset(head3d::dynamic_shared + shared, kCanary, kWatched);
  for (unsigned left = threads; left > 0;) {
    bool moved = false;
    for (unsigned i = 0; i < threads; ++i) {
      const unsigned t = backwards ? threads - 1 - i : i;
      if (fibers[t].done || (fibers[t].awaited && *fibers[t].awaited == fibers[t].seen)) continue;
      fibers[t].awaited = nullptr;
      resume(int(t));
      if (!message.empty()) return false;
      moved = true;
      left -= fibers[t].done;
    }
    if (!moved) {
      message = "threads wait at a barrier that others never reach";
      return false;
    }
  }
  for (size_t i = 0; i < kWatched; ++i)
    if (head3d::dynamic_shared[shared + i] != kCanary) message = "written behind the shared memory";
  return message.empty();
}

}  // namespace

void fail(const char* text) {
  message = text;
  _longjmp(scheduler, 1);
}

void block_barrier() { wait_for(whole, block_size.x * block_size.y * block_size.z); }

void warp_barrier(unsigned mask) {
  Barrier& barrier = warps[size_t(current) / 32].barrier;
  if (barrier.arrived && barrier.mask != mask) fail("lanes of a warp meet with different masks");
  barrier.mask = mask;
  wait_for(barrier, unsigned(__builtin_popcount(mask)));
}

unsigned char* slot(int lane) { return warps[size_t(current) / 32].slots[lane]; }
int lane() { return current & 31; }
int multiprocessors() { return sms; }

int run(dim3 grid, dim3 block, size_t shared, const std::function<void()>& body) {
  message.clear();
  const unsigned threads = block.x * block.y * block.z;
  if (threads == 0 || threads > 1024 || shared + kWatched > sizeof(head3d::dynamic_shared) ||
      grid.x * grid.y * grid.z == 0) {
    message = "no GPU runs such a launch";
    return kLaunchFailure;
  }
  kernel = &body;
  grid_size = grid;
  block_size = block;
  for (unsigned z = 0; z < grid.z; ++z)
    for (unsigned y = 0; y < grid.y; ++y)
      for (unsigned x = 0; x < grid.x; ++x) {
        block_index = dim3(x, y, z);
        if (!run_block(threads, shared)) return kLaunchFailure;
      }
  return 0;
}

}  // namespace emulator

#define EMULATOR_API extern "C" __attribute__((visibility("default")))

// Why the last launch failed; empty if it did not.
EMULATOR_API const char* emulator_message() { return emulator::message.c_str(); }
// Threads run from the last to the first.
EMULATOR_API void emulator_backwards(int64_t on) { emulator::backwards = on != 0; }
EMULATOR_API void emulator_multiprocessors(int64_t count) { emulator::sms = int(count); }
