// __syncthreads and its variants, pauses and shared memory.

#include <cstdlib>
#include <cstring>

#include "executor.h"
#include "executor_ready.h"
#include "runtime_state.h"

namespace lockstep::cuda_emulation {

int RunBarrier(BarrierKind kind, int predicate, SourceLine where) {
  return Executor::Instance().BarrierOfCurrent(kind, predicate, where);
}

int Executor::BarrierOfCurrent(BarrierKind kind, int predicate, SourceLine where) {
  const tsan::IgnoreScope ignore;
  CudaThread& me = *current_;
  me.barrier = kind;
  me.predicate = predicate;
  me.where = where;
  me.state = ThreadState::kAtBarrier;
  if (++at_barrier_ == alive_) ReleaseBarrier();
  YieldCurrent();
  tsan::Acquire(me.order_key);
  return static_cast<int>(me.result);
}

// A real device may let two barriers meet that the program wrote in two places, and lets threads
// that have returned miss one; both are mistakes that work by luck, so both are faults here.
std::string Executor::DivergenceAtBarrier() const {
  const CudaThread* first = nullptr;
  for (const CudaThread& t : threads_) {
    if (t.state != ThreadState::kAtBarrier) continue;
    if (first == nullptr) first = &t;
    const bool same = t.where.line == first->where.line && t.barrier == first->barrier &&
                      std::strcmp(t.where.file, first->where.file) == 0;
    if (!same) {
      return "divergent __syncthreads: " + Name(*first) + " waits at " + Describe(first->where) +
             ", " + Name(t) + " at " + Describe(t.where);
    }
  }
  for (const CudaThread& t : threads_) {
    if (t.state == ThreadState::kDone) {
      return "divergent __syncthreads at " + Describe(first->where) + ": " + Name(t) +
             " has already returned";
    }
  }
  return "";
}

void Executor::ReleaseBarrier() {
  ++statistics().barriers;
  const std::string divergence = DivergenceAtBarrier();
  if (!divergence.empty()) return KernelFault(divergence);
  std::uint64_t count = 0;
  for (const CudaThread& t : threads_) count += t.predicate != 0 ? 1 : 0;
  char* key = &barrier_keys_[set_][++barrier_phase_ % 2];
  for (CudaThread& t : threads_) {
    switch (t.barrier) {
      case BarrierKind::kSync: t.result = 0; break;
      case BarrierKind::kCount: t.result = count; break;
      case BarrierKind::kAnd: t.result = count == threads_.size() ? 1 : 0; break;
      case BarrierKind::kOr: t.result = count != 0 ? 1 : 0; break;
    }
    OrderAfter(t, key);
  }
  at_barrier_ = 0;
  MakeReady(0, static_cast<unsigned>(threads_.size()), [](const CudaThread&) { return true; });
}

void SpinPause(SourceLine where) { Executor::Instance().PauseCurrent(where); }

void FullFence() { Executor::Instance().FenceOfCurrent(); }

void QueueCopy(void* to, const void* from, int bytes) {
  Executor::Instance().QueueCopyOfCurrent({to, from, bytes});
}

void CommitQueuedCopies() { Executor::Instance().CommitCopiesOfCurrent(); }

QueuedCopy TakeCopy(unsigned pending_groups) {
  return Executor::Instance().TakeCopyOfCurrent(pending_groups);
}

void Executor::QueueCopyOfCurrent(const QueuedCopy& copy) {
  const tsan::IgnoreScope ignore;
  current_->copies.push_back({copy, current_->copy_groups});
}

QueuedCopy Executor::TakeCopyOfCurrent(unsigned pending_groups) {
  const tsan::IgnoreScope ignore;
  auto& copies = current_->copies;
  if (copies.empty() || copies.front().group + pending_groups >= current_->copy_groups) return {};
  const QueuedCopy copy = copies.front().copy;
  copies.erase(copies.begin());
  return copy;
}

void LetNextGridBegin() { Executor::Instance().LetNextGridBegin(); }
void AwaitPriorGrids() { Executor::Instance().AwaitPriorGridsOfCurrent(); }

// Relaxed atomics between two fences order what lies around them. Here a fence comes after all
// fences before it: more order than a device gives, but none that a program without fences has.
void Executor::FenceOfCurrent() {
  __sync_synchronize();
  tsan::Release(&fence_key_);
  tsan::Acquire(&fence_key_);
}

void* DynamicSharedMemory() { return Executor::Instance().dynamic_shared(); }

void* SharedSlot::Get() {
  const std::uint64_t serial = Executor::Instance().block_serial();
  if (block_serial_ == serial) return storage_;
  const tsan::IgnoreScope ignore;
  if (storage_ == nullptr || tsan::kEnabled) {  // a new array has no accesses of the last block
    std::free(storage_);
    if (posix_memalign(&storage_, 128, bytes_) != 0) std::abort();
  }
  std::memset(storage_, 0xff, bytes_);
  block_serial_ = serial;
  return storage_;
}

}  // namespace lockstep::cuda_emulation
