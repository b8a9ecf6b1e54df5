#include "layers/kernels/cuda/peers/peer_communicator.h"

#include <algorithm>
#include <exception>
#include <utility>

namespace lockstep::cuda {

PeerCommunicator::PeerCommunicator(Communicator& world, SummingDevice device,
                                   std::unique_ptr<PeerGroup> group)
    : DeviceCommunicator(world, std::move(device)), group_(std::move(group)) {
  transport_ = "peer memory";
  if (HasNccl() && !group_->shares_device()) {
    SummingDevice for_nccl = device_;
    for_nccl.set_liveness_check = [this](auto watch) { nccl_watch_ = std::move(watch); };
    nccl_ = MakeNcclCommunicator(world, std::move(for_nccl));
    transport_ =
        fmt::format("peer memory up to {} KiB, else {}",
                    group_->elements() * std::int64_t{sizeof(float)} / 1024, nccl_->transport());
  }
  device_.set_liveness_check([this](double waited_seconds) { Watch(waited_seconds); });
}

PeerCommunicator::~PeerCommunicator() {
  device_.set_liveness_check(nullptr);
  // Sums that are left on the device will not be completed.
  if (std::uncaught_exceptions() > 0) group_->GiveUp();
  nccl_.reset();  // first: a sum of NCCL that hangs would keep the device busy
  group_.reset();
}

void PeerCommunicator::AllReduceSum(const TensorView& x, Stream stream) {
  LOCKSTEP_CHECK(!failed_, "a collective after one that failed");
  LOCKSTEP_CHECK(stream.handle != nullptr, "sums are ordered on a stream");
  const std::int64_t count = x.elements(), most = group_->elements();
  ++all_reduce_count_;
  last_elements_ = count;
  last_way_ = WayOf(count);
  if (last_way_ == Way::kNccl) return nccl_->AllReduceSum(x, stream);
  for (std::int64_t at = 0; at < count; at += most)
    group_->Sum(x.data<float>() + at, std::min(most, count - at), world_.deadline_seconds(),
                static_cast<cudaStream_t>(stream.handle));
}

PeerCommunicator::Way PeerCommunicator::WayOf(std::int64_t elements) const {
  return elements > group_->elements() && nccl_ != nullptr ? Way::kNccl : Way::kPeers;
}

void PeerCommunicator::CountReplayed(std::int64_t all_reduces, std::int64_t elements) {
  DeviceCommunicator::CountReplayed(all_reduces, elements);
  if (all_reduces == 0) return;
  last_elements_ = elements;
  last_way_ = WayOf(elements);
  if (last_way_ == Way::kNccl) nccl_->CountReplayed(all_reduces, elements);
}

void PeerCommunicator::Watch(double waited_seconds) {
  if (failed_) return;
  if (const std::string what = WhatTheDeviceSays(); !what.empty()) Fail(what);
  const bool late = waited_seconds > world_.deadline_seconds();
  if (late && last_way_ == Way::kPeers)
    Fail(fmt::format("did not end within {:g} s", world_.deadline_seconds()));
  try {
    if (nccl_watch_) nccl_watch_(waited_seconds);
  } catch (...) {
    failed_ = true;
    group_->GiveUp();
    throw;
  }
}

// Why the device has given up a sum, or "".
std::string PeerCommunicator::WhatTheDeviceSays() const {
  const PeerGroup::Report report = group_->report();
  switch (report.fault) {
    case PeerFault::kLate:
      return fmt::format("did not end within {:g} s, rank {} on {} did not come",
                         world_.deadline_seconds(), report.peer, host(report.peer));
    case PeerFault::kOtherSize:
      return fmt::format("rank {} on {} adds {} values there", report.peer, host(report.peer),
                         report.count);
    case PeerFault::kToldTo:
    case PeerFault::kNone: break;
  }
  return "";
}

void PeerCommunicator::Fail(const std::string& what) {
  const std::string doing = device_.activity();
  failed_ = true;
  // First of all: what waits for a peer on the device holds up everything behind it.
  group_->GiveUp();
  throw CollectiveError(
      ExitCode::kRankFailure,
      fmt::format("all-reduce {} of {} values through peers' memory, rank {} on {}, while {}: {}; "
                  "{}",
                  all_reduce_count_, last_elements_, rank(), host(rank()), doing, what,
                  ProbePeers(last_elements_)));
}

}  // namespace lockstep::cuda
