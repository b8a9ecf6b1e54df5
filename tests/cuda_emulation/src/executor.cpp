#include "executor.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <numeric>
#include <utility>

#include "executor_ready.h"
#include "runtime_state.h"

uint3 threadIdx;
uint3 blockIdx;
dim3 blockDim;
dim3 gridDim;

namespace lockstep::cuda_emulation {
namespace {

constexpr std::size_t kSharedAlignment = 128;

std::uint64_t Volume(dim3 d) { return std::uint64_t{d.x} * d.y * d.z; }

uint3 Unflatten(std::uint64_t i, dim3 extent) {
  return uint3{static_cast<unsigned>(i % extent.x), static_cast<unsigned>(i / extent.x % extent.y),
               static_cast<unsigned>(i / extent.x / extent.y)};
}

}  // namespace

Executor& Executor::Instance() {
  static auto* instance = new Executor;  // never destroyed: streams may run at the program's end
  return *instance;
}

void Executor::Run(const GridLaunch& launch) {
  const tsan::IgnoreScope ignore;
  launch_ = &launch;
  blockDim = launch.block;
  gridDim = launch.grid;
  host_.ForgetBounds();
  tsan_launcher_ = tsan::Current();
  tsan::Release(&start_key_);
  PrepareThreads();
  GridSlots slots(Volume(launch.grid));
  slots_ = &slots;
  for (const std::uint64_t block : BlockOrder()) {
    if (StickyError() != cudaSuccess) break;
    if (!slots.AwaitBlock()) {
      Fault(cudaErrorLaunchFailure,
            fmt::format("kernel {} found no room on the device for {} s: blocks of other processes "
                        "have all of it",
                        launch.kernel, settings().spin_seconds));
      break;
    }
    RunBlock(block);
    slots.BlockDone();
  }
  tsan::Acquire(&end_key_);
  std::free(dynamic_shared_);
  dynamic_shared_ = nullptr;
  ++statistics().launches;
}

void Executor::PrepareThreads() {
  const auto count = static_cast<unsigned>(Volume(launch_->block));
  threads_.assign(count, CudaThread{});
  for (unsigned i = 0; i < count; ++i) {
    threads_[i].index = Unflatten(i, launch_->block);
    threads_[i].linear = i;
    threads_[i].lane = i % kWarpSize;
    threads_[i].warp = i / kWarpSize;
  }
}

std::vector<std::uint64_t> Executor::BlockOrder() const {
  std::vector<std::uint64_t> order(Volume(launch_->grid));
  std::iota(order.begin(), order.end(), std::uint64_t{0});
  if (settings().thread_order == ThreadOrder::kReverse) std::reverse(order.begin(), order.end());
  if (settings().thread_order == ThreadOrder::kShuffled) {
    for (std::size_t i = order.size(); i > 1; --i) {
      std::swap(order[i - 1], order[RandomBelow(static_cast<unsigned>(i))]);
    }
  }
  return order;
}

void Executor::RunBlock(std::uint64_t linear_block) {
  blockIdx = Unflatten(linear_block, launch_->grid);
  StartBlock();
  while (CudaThread* next = PickNext()) {
    if (next->state == ThreadState::kFresh) GiveFiber(*next);
    MakeCurrent(next);
    running_fiber_ = next->fiber;
    ++statistics().switches;
    host_.SwitchTo(*next->fiber);
  }
  if (!failed_ && alive_ != 0) ReportDeadlock();
  FinishBlock();
}

void Executor::StartBlock() {
  ++block_serial_;
  alive_ = static_cast<unsigned>(threads_.size());
  at_barrier_ = 0;
  failed_ = false;
  spin_started_ = 0;
  ready_.clear();
  for (CudaThread& t : threads_) {
    t.state = ThreadState::kFresh;
    t.fiber = nullptr;
  }
  warps_.assign((alive_ + kWarpSize - 1) / kWarpSize, WarpState{});
  if (alive_ % kWarpSize != 0) warps_.back().gone = ~0u << alive_ % kWarpSize;
  MakeReady(0, alive_, [](const CudaThread&) { return true; });
  FillDynamicShared();
  if (!tsan::kEnabled) return;
  set_ = (set_ + 1) % kFiberSets;
  auto& fibers = tsan_fibers_[set_];
  while (fibers.size() < threads_.size()) fibers.push_back(tsan::Create());
  for (CudaThread& t : threads_) t.tsan_fiber = fibers[t.linear];
}

void Executor::FillDynamicShared() {
  const std::size_t bytes = launch_->dynamic_shared_bytes;
  if (bytes == 0) return;
  if (dynamic_shared_ == nullptr || tsan::kEnabled) {  // a new array has no accesses of the last
    std::free(dynamic_shared_);
    void* memory = nullptr;
    if (posix_memalign(&memory, kSharedAlignment, bytes) != 0) std::abort();
    dynamic_shared_ = static_cast<char*>(memory);
  }
  std::memset(dynamic_shared_, 0xff, bytes);
}

void Executor::FinishBlock() {
  ++statistics().blocks;
  statistics().threads += threads_.size();
  if (!failed_) return;
  idle_fibers_.clear();  // stacks that were left in the middle of a kernel start over
  for (const auto& fiber : fibers_) {
    fiber->Unpoison();
    if (!tsan::kEnabled) idle_fibers_.push_back(fiber.get());
  }
  DiscardTsanFibers();
}

void Executor::DiscardTsanFibers() {
  if (!tsan::kEnabled) return;
  for (const CudaThread& t : threads_) {
    if (t.state == ThreadState::kFresh || t.state == ThreadState::kDone) continue;
    tsan::SwitchTo(t.tsan_fiber);  // it was left within an operation, which ignores accesses
    tsan::EndIgnore();
    tsan::SwitchTo(tsan_launcher_);
  }
  for (const tsan::Fiber fiber : tsan_fibers_[set_]) tsan::Destroy(fiber);
  tsan_fibers_[set_].clear();
}

void Executor::ReportDeadlock() {
  constexpr int kShown = 3;
  std::string text = "deadlock: ";
  int shown = 0;
  for (const CudaThread& t : threads_) {
    if (t.state == ThreadState::kDone || shown == kShown) continue;
    if (shown++ > 0) text += "; ";
    text += Name(t) + (t.state == ThreadState::kAtBarrier ? " waits in __syncthreads at "
                                                          : " waits in a warp operation at ");
    text += Describe(t.where);
  }
  text += "; " + std::to_string(threads_.size() - alive_) + " of " +
          std::to_string(threads_.size()) + " threads have returned";
  KernelFault(text);
}

void Executor::KernelFault(const std::string& text) {
  failed_ = true;
  Fault(cudaErrorLaunchFailure, text);
}

std::string Executor::Name(const CudaThread& thread) const {
  const uint3 t = thread.index;
  return fmt::format("kernel {}, block ({},{},{}), thread ({},{},{})", launch_->kernel, blockIdx.x,
                     blockIdx.y, blockIdx.z, t.x, t.y, t.z);
}

std::string Describe(SourceLine where) {
  const char* slash = std::strrchr(where.file, '/');
  return std::string(slash != nullptr ? slash + 1 : where.file) + ":" + std::to_string(where.line);
}

}  // namespace lockstep::cuda_emulation
