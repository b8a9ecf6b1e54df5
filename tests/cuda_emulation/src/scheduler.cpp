// The part of the executor that decides which thread of a block runs next, and on which stack.

#include <unistd.h>
#include <ctime>

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "executor.h"
#include "executor_ready.h"
#include "runtime_state.h"

namespace lockstep::cuda_emulation {
namespace {

constexpr std::size_t kStackBytes = asan::kEnabled ? 256 * 1024 : 128 * 1024;

double Now() {
  timespec t{};
  clock_gettime(CLOCK_MONOTONIC, &t);
  return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}

}  // namespace

CudaThread* Executor::PickNext() {
  if (failed_ || ready_.empty()) return nullptr;
  if (settings().thread_order == ThreadOrder::kShuffled) {
    std::swap(ready_[RandomBelow(static_cast<unsigned>(ready_.size()))], ready_.back());
  }
  CudaThread* next = &threads_[ready_.back()];
  ready_.pop_back();
  return next;
}

void Executor::MakeCurrent(CudaThread* thread) {
  current_ = thread;
  threadIdx = thread->index;
  tsan::SwitchTo(thread->tsan_fiber);
}

Fiber* Executor::IdleFiber() {
  if (idle_fibers_.empty()) {
    fibers_.push_back(std::make_unique<Fiber>(kStackBytes));
    return fibers_.back().get();
  }
  Fiber* fiber = idle_fibers_.back();
  idle_fibers_.pop_back();
  return fiber;
}

void Executor::GiveFiber(CudaThread& thread) {
  if (tsan::kEnabled) {
    auto& stacks = tsan_stacks_[set_];
    while (stacks.size() <= thread.linear) stacks.push_back(IdleFiber());
    thread.fiber = stacks[thread.linear];
  } else {
    thread.fiber = IdleFiber();
  }
  thread.fiber->Prime(&Executor::FiberEntry);
}

// Continues with another thread; returns when the calling one has been picked again.
void Executor::YieldCurrent() {
  CudaThread* self = current_;
  CudaThread* next = PickNext();
  if (next == self) return;
  Fiber* from = running_fiber_;
  ++statistics().switches;
  if (next == nullptr) {
    running_fiber_ = &host_;
    tsan::SwitchTo(tsan_launcher_);
  } else {
    if (next->state == ThreadState::kFresh) GiveFiber(*next);
    running_fiber_ = next->fiber;
    MakeCurrent(next);
  }
  from->SwitchTo(*running_fiber_);
}

void Executor::AbandonBlock() {
  Fiber* from = running_fiber_;
  running_fiber_ = &host_;
  tsan::SwitchTo(tsan_launcher_);
  from->SwitchTo(host_);
  std::abort();  // nobody continues an abandoned fiber
}

void Executor::FiberEntry() {
  Executor& executor = Instance();
  executor.running_fiber_->Entered(executor.host_);
  executor.FiberLoop();
}

void Executor::FiberLoop() {
  for (;;) {
    RunCurrentThread();
    Fiber* me = running_fiber_;
    CudaThread* next = Adopt(PickNext());
    if (next != nullptr && next->fiber == me) continue;
    if (!tsan::kEnabled) idle_fibers_.push_back(me);
    ++statistics().switches;
    running_fiber_ = next != nullptr ? next->fiber : &host_;
    tsan::EndIgnore();
    if (next != nullptr) {
      MakeCurrent(next);
    } else {
      tsan::SwitchTo(tsan_launcher_);
    }
    me->SwitchForeverTo(*running_fiber_);
  }
}

// A thread that has not begun yet can have the stack of the one that has just ended: no switch.
CudaThread* Executor::Adopt(CudaThread* next) {
  if (next == nullptr || next->state != ThreadState::kFresh) return next;
  if (tsan::kEnabled) {
    GiveFiber(*next);
    return next;
  }
  next->fiber = running_fiber_;
  MakeCurrent(next);
  return next;
}

void Executor::RunCurrentThread() {
  current_->state = ThreadState::kReady;
  current_->has_awaited = false;
  current_->copies.clear();
  current_->copy_groups = 0;
  tsan::Acquire(&start_key_);
  launch_->body();
  tsan::Release(&end_key_);
  tsan::BeginIgnore();
  if (launch_->overlaps && !current_->has_awaited)
    KernelFault(Name(*current_) +
                ": has ended without cudaGridDependencySynchronize, and so has not waited for the "
                "kernels before it");
  current_->state = ThreadState::kDone;
  --alive_;
  AfterThreadEnd();
}

// The threads that are left may have waited for this one alone.
void Executor::AfterThreadEnd() {
  WarpState& warp = warps_[current_->warp];
  warp.gone |= 1u << current_->lane;
  const unsigned first = current_->warp * kWarpSize;
  const unsigned end = std::min(first + kWarpSize, static_cast<unsigned>(threads_.size()));
  for (unsigned i = first; i < end && !failed_ && warp.arrived != 0; ++i) {
    if (threads_[i].state == ThreadState::kAtWarpOperation && TryCompleteWarp(threads_[i])) break;
  }
  if (!failed_ && alive_ != 0 && at_barrier_ == alive_) ReleaseBarrier();
}

void Executor::PauseCurrent(SourceLine where) {
  const tsan::IgnoreScope ignore;
  const double now = Now();
  if (spin_started_ == 0) spin_started_ = now;
  if (now - spin_started_ > settings().spin_seconds) {
    KernelFault("waited " + std::to_string(settings().spin_seconds) +
                " s for another block or process at " + Describe(where) + ": " + Name(*current_));
    AbandonBlock();
  }
  if (++pauses_ > ready_.size()) {  // all that can run have looked: the peer needs the processor
    pauses_ = 0;
    usleep(20);
  }
  current_->state = ThreadState::kReady;
  ready_.insert(ready_.begin(), current_->linear);
  YieldCurrent();
}

}  // namespace lockstep::cuda_emulation
