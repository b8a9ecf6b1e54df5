#include "layers/kernels/cuda/peers/peer_reducer.h"

#include <algorithm>
#include <exception>
#include <utility>

namespace lockstep::cuda {

PeerReducer::PeerReducer(ControlPlane& group, SummingDevice device,
                         std::unique_ptr<PeerGroup> peers)
    : DeviceReducer(group, std::move(device)), peers_(std::move(peers)) {
  transport_ = "peer memory";
  if (HasNccl() && !peers_->shares_device()) {
    SummingDevice for_nccl = device_;
    for_nccl.set_liveness_check = [this](auto watch) { nccl_watch_ = std::move(watch); };
    nccl_ = MakeNcclReducer(group, std::move(for_nccl));
    transport_ =
        fmt::format("peer memory up to {} KiB, else {}",
                    peers_->elements() * std::int64_t{sizeof(float)} / 1024, nccl_->transport());
  }
  device_.set_liveness_check([this](double waited_seconds) { Watch(waited_seconds); });
}

PeerReducer::~PeerReducer() {
  device_.set_liveness_check(nullptr);
  // Sums that are left on the device will not be completed.
  if (std::uncaught_exceptions() > 0) peers_->GiveUp();
  nccl_.reset();  // first: a sum of NCCL that hangs would keep the device busy
  peers_.reset();
}

void PeerReducer::AllReduceSum(const TensorView& x, Stream stream) {
  LOCKSTEP_CHECK(!failed_, "a collective after one that failed");
  LOCKSTEP_CHECK(stream.handle != nullptr, "sums are ordered on a stream");
  const std::int64_t count = x.elements(), most = peers_->elements();
  CountSum(count);
  if (WayOf(count) == Way::kNccl) return nccl_->AllReduceSum(x, stream);
  for (std::int64_t at = 0; at < count; at += most)
    peers_->Sum(x.data<float>() + at, std::min(most, count - at), group_.deadline_seconds(),
                static_cast<cudaStream_t>(stream.handle));
}

PeerReducer::Way PeerReducer::WayOf(std::int64_t elements) const {
  return elements > peers_->elements() && nccl_ != nullptr ? Way::kNccl : Way::kPeers;
}

void PeerReducer::Watch(double waited_seconds) {
  if (failed_) return;
  if (const std::string what = WhatTheDeviceSays(); !what.empty()) Fail(what);
  const bool late = waited_seconds > group_.deadline_seconds();
  if (late && all_reduce_count_ > 0 && WayOf(last_elements()) == Way::kPeers)
    Fail(fmt::format("did not end within {:g} s", group_.deadline_seconds()));
  try {
    if (nccl_watch_) nccl_watch_(waited_seconds);
  } catch (...) {
    failed_ = true;
    peers_->GiveUp();
    throw;
  }
}

// Why the device has given up a sum, or "".
std::string PeerReducer::WhatTheDeviceSays() const {
  const PeerGroup::Report report = peers_->report();
  switch (report.fault) {
    case PeerFault::kLate:
      return fmt::format("did not end within {:g} s, rank {} on {} did not come",
                         group_.deadline_seconds(), report.peer, host(report.peer));
    case PeerFault::kOtherSize:
      return fmt::format("rank {} on {} adds {} values there", report.peer, host(report.peer),
                         report.count);
    case PeerFault::kToldTo:
    case PeerFault::kNone: break;
  }
  return "";
}

void PeerReducer::Fail(const std::string& what) {
  const std::string doing = device_.activity();
  failed_ = true;
  // First of all: what waits for a peer on the device holds up everything behind it.
  peers_->GiveUp();
  throw CollectiveError(
      ExitCode::kRankFailure,
      fmt::format("all-reduce {} of {} values through peers' memory, rank {} on {}, while {}: {}; "
                  "{}",
                  all_reduce_count_, last_elements(), rank(), host(rank()), doing, what,
                  ProbePeers()));
}

}  // namespace lockstep::cuda
