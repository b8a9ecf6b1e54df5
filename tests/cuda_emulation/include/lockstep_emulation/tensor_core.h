#pragma once
// What layers/kernels/cuda/kernels/tensor_core.h says in assembly: matrix products of a warp, loads
// of matrices, and copies that are waited for. Included by <cuda_runtime.h>; a kernel that uses it
// includes <cuda_bf16.h> and <cuda_fp16.h> before.

#include <cstdint>
#include <cstring>

namespace lockstep::cuda_emulation {

inline unsigned LaneOfThread() {
  const unsigned row = threadIdx.y + blockDim.y * threadIdx.z;
  return (threadIdx.x + blockDim.x * row) % 32;
}

// One object of each lane, after all have come here.
template <class T>
void GatherLanes(const T& mine, const T* (&all)[32], SourceLine where) {
  const WarpRequest request{WarpOperation::kGather, ~0u, reinterpret_cast<std::uintptr_t>(&mine)};
  const auto* values = reinterpret_cast<const std::uint64_t*>(RunWarpOperation(request, where));
  for (int lane = 0; lane < 32; ++lane) all[lane] = reinterpret_cast<const T*>(values[lane]);
}

// Element `index` of a word, as a number of T: of two bytes, or of one.
template <class T>
float ElementOfWord(unsigned word, unsigned index) {
  const unsigned bits = word >> 8 * sizeof(T) * index;
  T value;
  std::memcpy(static_cast<void*>(&value), &bits, sizeof value);
  return static_cast<float>(value);
}

struct MmaOperands {
  const unsigned* a;
  const unsigned* b;
  float* d;
};

// The first lane does it for the whole warp, reading and writing the others' registers.
template <class T>
void MultiplyAddForWarp(const MmaOperands* const (&lanes)[32]) {
  constexpr unsigned kPer = 4 / sizeof(T), kDepth = 8 * kPer;  // elements of a word, and in all
  float a[16][kDepth], b[kDepth][8];
  for (unsigned lane = 0; lane < 32; ++lane) {
    const unsigned g = lane / 4, t = lane % 4;
    for (unsigned word = 0; word < 4; ++word)
      for (unsigned i = 0; i < kPer; ++i)
        a[g + 8 * (word % 2)][kPer * (t + 4 * (word / 2)) + i] =
            ElementOfWord<T>(lanes[lane]->a[word], i);
    for (unsigned word = 0; word < 2; ++word)
      for (unsigned i = 0; i < kPer; ++i)
        b[kPer * (t + 4 * word) + i][g] = ElementOfWord<T>(lanes[lane]->b[word], i);
  }
  float sums[16][8] = {};
  for (int row = 0; row < 16; ++row)
    for (unsigned k = 0; k < kDepth; ++k)
      for (int column = 0; column < 8; ++column) sums[row][column] += a[row][k] * b[k][column];
  for (unsigned lane = 0; lane < 32; ++lane)
    for (unsigned i = 0; i < 4; ++i)
      lanes[lane]->d[i] += sums[lane / 4 + 8 * (i / 2)][2 * (lane % 4) + i % 2];
}

template <class T>
void MultiplyAdd(const unsigned (&a)[4], const unsigned (&b)[2], float (&d)[4],
                 SourceLine where = SourceLine::Here()) {
  const MmaOperands mine{a, b, d};
  const MmaOperands* all[32];
  GatherLanes(mine, all, where);
  if (LaneOfThread() == 0) MultiplyAddForWarp<T>(all);
  RunWarpOperation({WarpOperation::kSync}, where);
}

inline std::uint16_t ElementOf(std::uint64_t row, unsigned column) {
  std::uint16_t element;
  std::memcpy(&element, reinterpret_cast<const char*>(row) + 2 * column, sizeof element);
  return element;
}

inline void LoadMatrices(const void* row, unsigned (&to)[4],
                         SourceLine where = SourceLine::Here()) {
  const WarpRequest request{WarpOperation::kGather, ~0u, reinterpret_cast<std::uintptr_t>(row)};
  const auto* rows = reinterpret_cast<const std::uint64_t*>(RunWarpOperation(request, where));
  const unsigned g = LaneOfThread() / 4, t = LaneOfThread() % 4;
  for (unsigned i = 0; i < 4; ++i)
    to[i] = ElementOf(rows[8 * i + g], 2 * t) |
            static_cast<unsigned>(ElementOf(rows[8 * i + g], 2 * t + 1)) << 16;
}

inline void LoadMatricesTransposed(const void* row, unsigned (&to)[4],
                                   SourceLine where = SourceLine::Here()) {
  const WarpRequest request{WarpOperation::kGather, ~0u, reinterpret_cast<std::uintptr_t>(row)};
  const auto* rows = reinterpret_cast<const std::uint64_t*>(RunWarpOperation(request, where));
  const unsigned g = LaneOfThread() / 4, t = LaneOfThread() % 4;
  for (unsigned i = 0; i < 4; ++i)
    to[i] = ElementOf(rows[8 * i + 2 * t], g) |
            static_cast<unsigned>(ElementOf(rows[8 * i + 2 * t + 1], g)) << 16;
}

// As late as the kernel allows: a thread's copies are made when it waits for them.
void QueueCopy(void* to, const void* from, int bytes);
void CommitQueuedCopies();
// Those of the next group that is to be waited for: nothing is left when `from` is null.
struct QueuedCopy {
  void* to = nullptr;
  const void* from = nullptr;
  int bytes = 0;
};
QueuedCopy TakeCopy(unsigned pending_groups);

inline void CopyAsync(void* to, const void* from, int bytes) { QueueCopy(to, from, bytes); }
inline void CommitCopies() { CommitQueuedCopies(); }
template <int kPending>
void AwaitCopies() {
  for (;;) {
    const QueuedCopy copy = TakeCopy(kPending);
    if (copy.from == nullptr) return;
    // Here, in code that sanitizers watch.
    std::uint64_t words[2] = {};
    if (copy.bytes > 0) std::memcpy(words, copy.from, sizeof words);
    std::memcpy(copy.to, words, sizeof words);
  }
}

}  // namespace lockstep::cuda_emulation
