#pragma once
// Runs one grid on the calling thread. The threads of a block are fibers; the blocks run one after
// another, each to its end.

#include <cuda_runtime.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "device_slots.h"
#include "fiber.h"
#include "sanitizers.h"

namespace lockstep::cuda_emulation {

enum class ThreadState : std::uint8_t { kFresh, kReady, kAtWarpOperation, kAtBarrier, kDone };

// A copy of a thread that goes on by itself until it is waited for.
struct ThreadCopy {
  QueuedCopy copy;
  unsigned group = 0;
};

struct CudaThread {
  uint3 index{};
  unsigned linear = 0;
  unsigned lane = 0;
  unsigned warp = 0;
  ThreadState state = ThreadState::kFresh;
  Fiber* fiber = nullptr;
  SourceLine where;       // of the operation that the thread waits in
  WarpRequest request;    // in kAtWarpOperation
  BarrierKind barrier{};  // in kAtBarrier
  int predicate = 0;
  std::uint64_t result = 0;
  tsan::Fiber tsan_fiber = nullptr;
  char* order_key = nullptr;       // of the operation that let the thread go on
  bool has_awaited = false;        // the grids before this one
  std::vector<ThreadCopy> copies;  // that have not been waited for, in their order
  unsigned copy_groups = 0;        // committed
};

// What the lanes of a warp wait for together. mixed: in more than one operation.
struct WarpState {
  unsigned arrived = 0;  // lanes that wait
  unsigned gone = 0;     // lanes that have returned, or that the block lacks
  WarpRequest first;
  bool mixed = false;
  std::uint64_t values[32] = {};  // of the last kGather
};

struct GridLaunch {
  std::string kernel;
  dim3 grid;
  dim3 block;
  std::size_t dynamic_shared_bytes = 0;
  bool overlaps = false;       // may begin before the grids before it have ended
  std::function<void()> body;  // runs once for each thread
};

class Executor {
 public:
  static Executor& Instance();

  // Runs the grid to its end, or to the first fault.
  void Run(const GridLaunch& launch);

  // Called by device code.
  std::uint64_t WarpOperationOfCurrent(const WarpRequest& request, SourceLine where);
  int BarrierOfCurrent(BarrierKind kind, int predicate, SourceLine where);
  void PauseCurrent(SourceLine where);
  void FenceOfCurrent();
  void QueueCopyOfCurrent(const QueuedCopy& copy);
  void CommitCopiesOfCurrent() { ++current_->copy_groups; }
  QueuedCopy TakeCopyOfCurrent(unsigned pending_groups);
  void AwaitPriorGridsOfCurrent() { current_->has_awaited = true; }
  void LetNextGridBegin() { slots_->LetNextBegin(); }
  void* dynamic_shared() const { return dynamic_shared_; }
  std::uint64_t block_serial() const { return block_serial_; }

 private:
  static constexpr unsigned kWarpSize = 32;
  // Blocks take turns on so many sets of ThreadSanitizer fibers: within a set they would be
  // ordered.
  static constexpr unsigned kFiberSets = 4;
  static constexpr unsigned kMaxWarps = 32;

  // grid
  void PrepareThreads();
  std::vector<std::uint64_t> BlockOrder() const;
  void RunBlock(std::uint64_t linear_block);

  // block
  void StartBlock();
  void FillDynamicShared();
  void ReportDeadlock();
  void FinishBlock();
  void DiscardTsanFibers();

  // scheduling
  static void FiberEntry();
  [[noreturn]] void FiberLoop();
  void RunCurrentThread();
  CudaThread* Adopt(CudaThread* next);
  CudaThread* PickNext();
  void MakeCurrent(CudaThread* thread);
  void GiveFiber(CudaThread& thread);
  Fiber* IdleFiber();
  void YieldCurrent();
  [[noreturn]] void AbandonBlock();
  template <class Predicate>
  void MakeReady(unsigned first, unsigned count, const Predicate& chosen);

  // operations
  bool TryCompleteWarp(const CudaThread& member);
  void JoinWarp(const CudaThread& me);
  std::string MismatchInWarp(const CudaThread& me) const;
  unsigned Participants(const CudaThread& member) const;
  bool ResolveShuffle(CudaThread& thread, unsigned participants);
  void GatherValues(unsigned warp, unsigned participants);
  void ReleaseBarrier();
  std::string DivergenceAtBarrier() const;
  void OrderAfter(CudaThread& thread, char* key);
  void AfterThreadEnd();

  void KernelFault(const std::string& text);
  std::string Name(const CudaThread& thread) const;
  std::string LaneName(const CudaThread& thread) const;

  const GridLaunch* launch_ = nullptr;
  GridSlots* slots_ = nullptr;  // of the grid
  std::vector<CudaThread> threads_;
  std::vector<WarpState> warps_;
  // Indices of threads that can run: a stack, or when shuffled a bag.
  std::vector<unsigned> ready_;
  CudaThread* current_ = nullptr;
  unsigned alive_ = 0;
  unsigned at_barrier_ = 0;
  bool failed_ = false;
  double spin_started_ = 0;
  std::uint64_t pauses_ = 0;
  std::uint64_t block_serial_ = 0;
  char* dynamic_shared_ = nullptr;

  Fiber host_;
  Fiber* running_fiber_ = nullptr;
  std::vector<std::unique_ptr<Fiber>> fibers_;
  std::vector<Fiber*> idle_fibers_;

  // ThreadSanitizer: the sets, and the addresses that stand for orderings.
  tsan::Fiber tsan_launcher_ = nullptr;
  unsigned set_ = 0;
  std::vector<tsan::Fiber> tsan_fibers_[kFiberSets];
  std::vector<Fiber*> tsan_stacks_[kFiberSets];  // a stack reused by another would look like a race
  char start_key_ = 0;
  char end_key_ = 0;
  char fence_key_ = 0;
  char barrier_keys_[kFiberSets][2] = {};
  char warp_keys_[kFiberSets][kMaxWarps][8] = {};
  unsigned barrier_phase_ = 0;
  unsigned warp_phase_[kMaxWarps] = {};
};

// "file.cu:12"
std::string Describe(SourceLine where);
// The name of a kernel in a report, found through the program's symbol tables.
std::string KernelName(const void* kernel);

}  // namespace lockstep::cuda_emulation
