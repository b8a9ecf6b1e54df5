#pragma once
// Device built-ins that involve other threads, and shared memory. Included by <cuda_runtime.h>.

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

extern uint3 threadIdx;
extern uint3 blockIdx;
extern dim3 blockDim;
extern dim3 gridDim;
constexpr int warpSize = 32;

namespace lockstep::cuda_emulation {

// Where a built-in was called, for reports. (std::source_location, which older Clangs lack.)
struct SourceLine {
  const char* file = "";
  unsigned line = 0;
  static constexpr SourceLine Here(const char* file = __builtin_FILE(),
                                   unsigned line = __builtin_LINE()) {
    return {file, line};
  }
};

enum class WarpOperation : std::uint8_t {
  kSync,
  kGather,
  kBallot,
  kAny,
  kAll,
  kShuffleFrom,
  kShuffleUp,
  kShuffleDown,
  kShuffleXor
};
// What one lane brings to a warp operation. width is that of a shuffle's segment.
struct WarpRequest {
  WarpOperation operation = WarpOperation::kSync;
  unsigned mask = 0xffffffffu;
  std::uint64_t value = 0;
  int argument = 0;
  int width = 32;
};
// Waits for the lanes of the mask; returns what the operation gives the calling lane. kGather gives
// the address of an array of the 32 lanes' values, which lives until the warp's next operation.
std::uint64_t RunWarpOperation(const WarpRequest& request, SourceLine where);

enum class BarrierKind : std::uint8_t { kSync, kCount, kAnd, kOr };
// Waits for every thread of the block.
int RunBarrier(BarrierKind kind, int predicate, SourceLine where);

// Lets other threads of the block, and other processes, run: for loops that wait for a peer.
void SpinPause(SourceLine where);
// Orders memory for other processes too.
void FullFence();
// Waits for the kernels before this one, where it may overlap with them. Here they have ended; what
// is checked is that every thread waits.
void AwaitPriorGrids();
// The next grid may take room on the device.
void LetNextGridBegin();

// The dynamic shared memory of the running block.
void* DynamicSharedMemory();

// One static shared array of a kernel: storage that every block finds fresh, filled with NaN.
class SharedSlot {
 public:
  constexpr explicit SharedSlot(std::size_t bytes) : bytes_(bytes) {}
  void* Get();

 private:
  std::size_t bytes_;
  void* storage_ = nullptr;
  std::uint64_t block_serial_ = 0;  // of the block that the storage was filled for
};

template <class T>
std::uint64_t ToBits(T value) {
  static_assert(sizeof(T) <= sizeof(std::uint64_t), "a shuffle moves at most 8 bytes");
  static_assert(std::is_trivially_copyable_v<T>, "a shuffle moves plain values");
  std::uint64_t bits = 0;
  std::memcpy(&bits, static_cast<const void*>(&value), sizeof value);
  return bits;
}
template <class T>
T FromBits(std::uint64_t bits) {
  T value;
  std::memcpy(static_cast<void*>(&value), &bits, sizeof value);
  return value;
}
template <class T>
T Shuffle(WarpOperation operation, unsigned mask, T value, int argument, int width,
          SourceLine where) {
  return FromBits<T>(RunWarpOperation({operation, mask, ToBits(value), argument, width}, where));
}

}  // namespace lockstep::cuda_emulation

// name becomes a reference to a shared object of type T, which may be an array type.
#define LOCKSTEP_EMULATED_SHARED(T, name)                                                       \
  using name##_shared_t = T;                                                                    \
  static constinit ::lockstep::cuda_emulation::SharedSlot name##_slot{sizeof(name##_shared_t)}; \
  name##_shared_t& name = *static_cast<name##_shared_t*>(name##_slot.Get())
// T* name points to the launch's dynamic shared memory.
#define LOCKSTEP_EMULATED_DYNAMIC_SHARED(T, name) \
  T* name = static_cast<T*>(::lockstep::cuda_emulation::DynamicSharedMemory())

#define LOCKSTEP_EMULATION_HERE                            \
  ::lockstep::cuda_emulation::SourceLine emulation_where = \
      ::lockstep::cuda_emulation::SourceLine::Here()

inline void __syncthreads(LOCKSTEP_EMULATION_HERE) {
  using namespace lockstep::cuda_emulation;
  RunBarrier(BarrierKind::kSync, 0, emulation_where);
}
inline int __syncthreads_count(int predicate, LOCKSTEP_EMULATION_HERE) {
  using namespace lockstep::cuda_emulation;
  return RunBarrier(BarrierKind::kCount, predicate, emulation_where);
}
inline int __syncthreads_and(int predicate, LOCKSTEP_EMULATION_HERE) {
  using namespace lockstep::cuda_emulation;
  return RunBarrier(BarrierKind::kAnd, predicate, emulation_where);
}
inline int __syncthreads_or(int predicate, LOCKSTEP_EMULATION_HERE) {
  using namespace lockstep::cuda_emulation;
  return RunBarrier(BarrierKind::kOr, predicate, emulation_where);
}

inline void __syncwarp(unsigned mask = 0xffffffffu, LOCKSTEP_EMULATION_HERE) {
  using namespace lockstep::cuda_emulation;
  RunWarpOperation({WarpOperation::kSync, mask}, emulation_where);
}
inline unsigned __ballot_sync(unsigned mask, int predicate, LOCKSTEP_EMULATION_HERE) {
  using namespace lockstep::cuda_emulation;
  const WarpRequest request{WarpOperation::kBallot, mask, predicate != 0 ? 1u : 0u};
  return static_cast<unsigned>(RunWarpOperation(request, emulation_where));
}
inline int __any_sync(unsigned mask, int predicate, LOCKSTEP_EMULATION_HERE) {
  using namespace lockstep::cuda_emulation;
  const WarpRequest request{WarpOperation::kAny, mask, predicate != 0 ? 1u : 0u};
  return static_cast<int>(RunWarpOperation(request, emulation_where));
}
inline int __all_sync(unsigned mask, int predicate, LOCKSTEP_EMULATION_HERE) {
  using namespace lockstep::cuda_emulation;
  const WarpRequest request{WarpOperation::kAll, mask, predicate != 0 ? 1u : 0u};
  return static_cast<int>(RunWarpOperation(request, emulation_where));
}

template <class T>
T __shfl_sync(unsigned mask, T value, int lane, int width = 32, LOCKSTEP_EMULATION_HERE) {
  using namespace lockstep::cuda_emulation;
  return Shuffle(WarpOperation::kShuffleFrom, mask, value, lane, width, emulation_where);
}
template <class T>
T __shfl_up_sync(unsigned mask, T value, unsigned delta, int width = 32, LOCKSTEP_EMULATION_HERE) {
  using namespace lockstep::cuda_emulation;
  return Shuffle(WarpOperation::kShuffleUp, mask, value, static_cast<int>(delta), width,
                 emulation_where);
}
template <class T>
T __shfl_down_sync(unsigned mask, T value, unsigned delta, int width = 32,
                   LOCKSTEP_EMULATION_HERE) {
  using namespace lockstep::cuda_emulation;
  return Shuffle(WarpOperation::kShuffleDown, mask, value, static_cast<int>(delta), width,
                 emulation_where);
}
template <class T>
T __shfl_xor_sync(unsigned mask, T value, int lane_mask, int width = 32, LOCKSTEP_EMULATION_HERE) {
  using namespace lockstep::cuda_emulation;
  return Shuffle(WarpOperation::kShuffleXor, mask, value, lane_mask, width, emulation_where);
}

inline void cudaGridDependencySynchronize() { lockstep::cuda_emulation::AwaitPriorGrids(); }
inline void cudaTriggerProgrammaticLaunchCompletion() {
  lockstep::cuda_emulation::LetNextGridBegin();
}

inline void __threadfence() { lockstep::cuda_emulation::FullFence(); }
inline void __threadfence_block() {}
inline void __threadfence_system() { lockstep::cuda_emulation::FullFence(); }
inline void __nanosleep(unsigned, LOCKSTEP_EMULATION_HERE) {
  lockstep::cuda_emulation::SpinPause(emulation_where);
}
