// Shuffles, votes and __syncwarp: a warp operation completes when every lane of its mask that has
// not returned has arrived at it.

#include <algorithm>
#include <bit>
#include <cstdio>

#include "executor.h"
#include "executor_ready.h"
#include "runtime_state.h"

namespace lockstep::cuda_emulation {
namespace {

std::string Hex(unsigned mask) {
  char text[16];
  std::snprintf(text, sizeof text, "0x%08x", mask);
  return text;
}

bool IsShuffle(WarpOperation operation) { return operation >= WarpOperation::kShuffleFrom; }

// The lane that a shuffle reads, as the programming guide defines it.
int SourceLane(const WarpRequest& request, int lane) {
  const int first = lane / request.width * request.width;
  const int within = lane % request.width;
  const int argument = request.argument;
  switch (request.operation) {
    case WarpOperation::kShuffleFrom: return first + (argument & (request.width - 1));
    case WarpOperation::kShuffleUp: return within < argument ? lane : lane - argument;
    case WarpOperation::kShuffleDown:
      return within + argument >= request.width ? lane : lane + argument;
    case WarpOperation::kShuffleXor:
      return (lane ^ argument) >= first + request.width ? lane : lane ^ argument;
    default: return lane;
  }
}

std::uint64_t VoteResult(WarpOperation operation, unsigned ballot, unsigned participants) {
  switch (operation) {
    case WarpOperation::kBallot: return ballot;
    case WarpOperation::kAny: return ballot != 0;
    case WarpOperation::kAll: return ballot == participants;
    default: return 0;
  }
}

}  // namespace

std::uint64_t RunWarpOperation(const WarpRequest& request, SourceLine where) {
  return Executor::Instance().WarpOperationOfCurrent(request, where);
}

std::uint64_t Executor::WarpOperationOfCurrent(const WarpRequest& request, SourceLine where) {
  const tsan::IgnoreScope ignore;
  CudaThread& me = *current_;
  me.request = request;
  me.where = where;
  JoinWarp(me);
  me.state = ThreadState::kAtWarpOperation;
  TryCompleteWarp(me);
  YieldCurrent();
  tsan::Acquire(me.order_key);
  return me.result;
}

void Executor::JoinWarp(const CudaThread& me) {
  WarpState& warp = warps_[me.warp];
  if (warp.arrived == 0) {
    warp.first = me.request;
    warp.mixed = false;
  } else if (me.request.mask != warp.first.mask || me.request.operation != warp.first.operation) {
    warp.mixed = true;
  }
  if (warp.mixed || (me.request.mask >> me.lane & 1u) == 0) {
    const std::string mismatch = MismatchInWarp(me);
    if (!mismatch.empty()) {
      KernelFault(mismatch + ": " + Name(me));
      AbandonBlock();
    }
  }
  warp.arrived |= 1u << me.lane;
}

// Why the operation of me cannot go together with what other lanes of its warp wait in.
std::string Executor::MismatchInWarp(const CudaThread& me) const {
  const unsigned mask = me.request.mask;
  if ((mask >> me.lane & 1u) == 0) {
    return "warp operation at " + Describe(me.where) + ": lane " + std::to_string(me.lane) +
           " is not in its own mask " + Hex(mask);
  }
  const unsigned first = me.warp * kWarpSize;
  for (unsigned i = first; i < first + kWarpSize && i < threads_.size(); ++i) {
    const CudaThread& other = threads_[i];
    if (other.state != ThreadState::kAtWarpOperation) continue;
    const bool meet = (mask >> other.lane & 1u) != 0 && (other.request.mask >> me.lane & 1u) != 0;
    if (!meet) continue;
    if (other.request.mask != mask || other.request.operation != me.request.operation) {
      return "warp operations do not match: " + LaneName(me) + " and " + LaneName(other);
    }
  }
  return "";
}

std::string Executor::LaneName(const CudaThread& thread) const {
  return "lane " + std::to_string(thread.lane) + " at " + Describe(thread.where) + " (mask " +
         Hex(thread.request.mask) + ")";
}

// The lanes that have arrived with member's operation.
unsigned Executor::Participants(const CudaThread& member) const {
  const WarpState& warp = warps_[member.warp];
  if (!warp.mixed) return warp.arrived;
  unsigned participants = 0;
  for (unsigned rest = warp.arrived; rest != 0; rest &= rest - 1) {
    const auto lane = static_cast<unsigned>(std::countr_zero(rest));
    const WarpRequest& request = threads_[member.warp * kWarpSize + lane].request;
    if (request.mask == member.request.mask && request.operation == member.request.operation) {
      participants |= 1u << lane;
    }
  }
  return participants;
}

bool Executor::TryCompleteWarp(const CudaThread& member) {
  WarpState& warp = warps_[member.warp];
  const unsigned participants = Participants(member);
  if ((participants | warp.gone | ~member.request.mask) != ~0u) return false;
  ++statistics().warp_operations;
  GatherValues(member.warp, participants);
  const unsigned first = member.warp * kWarpSize;
  unsigned ballot = 0;
  for (unsigned lane = 0; lane < kWarpSize; ++lane) {
    if (warp.values[lane] != 0) ballot |= 1u << lane;
  }
  const std::uint64_t vote = VoteResult(member.request.operation, ballot, participants);
  const WarpOperation operation = member.request.operation;
  char* key = &warp_keys_[set_][member.warp][++warp_phase_[member.warp] % 8];
  for (unsigned rest = participants; rest != 0; rest &= rest - 1) {
    CudaThread& t = threads_[first + static_cast<unsigned>(std::countr_zero(rest))];
    t.result =
        operation == WarpOperation::kGather ? reinterpret_cast<std::uintptr_t>(warp.values) : vote;
    if (IsShuffle(operation) && !ResolveShuffle(t, participants)) return false;
    OrderAfter(t, key);
  }
  warp.arrived &= ~participants;
  const auto lanes = std::min(kWarpSize, static_cast<unsigned>(threads_.size()) - first);
  MakeReady(first, lanes,
            [participants](const CudaThread& t) { return (participants >> t.lane & 1u) != 0; });
  return true;
}

void Executor::GatherValues(unsigned warp, unsigned participants) {
  for (unsigned lane = 0; lane < kWarpSize; ++lane) {
    const bool takes_part = (participants >> lane & 1u) != 0;
    warps_[warp].values[lane] = takes_part ? threads_[warp * kWarpSize + lane].request.value : 0;
  }
}

bool Executor::ResolveShuffle(CudaThread& thread, unsigned participants) {
  const int source = SourceLane(thread.request, static_cast<int>(thread.lane));
  if (source < 0 || source >= static_cast<int>(kWarpSize) || (participants >> source & 1u) == 0) {
    KernelFault("shuffle at " + Describe(thread.where) + " reads lane " + std::to_string(source) +
                ", which does not take part (mask " + Hex(thread.request.mask) +
                "): " + Name(thread));
    return false;
  }
  thread.result = warps_[thread.warp].values[source];
  return true;
}

// What the thread did before the operation comes before what anyone does after it. The key is
// chosen at completion: released at arrival, a key still in use would order too much.
void Executor::OrderAfter(CudaThread& thread, char* key) {
  thread.state = ThreadState::kReady;
  thread.order_key = key;
  if (!tsan::kEnabled) return;
  const tsan::Fiber self = tsan::Current();
  tsan::SwitchTo(thread.tsan_fiber);
  tsan::Release(key);
  tsan::SwitchTo(self);
}

}  // namespace lockstep::cuda_emulation
