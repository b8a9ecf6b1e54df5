#include "layers/kernels/cuda/peers/peer_reducer.h"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "core/error.h"
#include "layers/kernels/cuda/cuda_check.h"
#include "layers/kernels/cuda/peers/peer_residual.h"

namespace lockstep::cuda {
namespace {

// Whether sums of few rows take the residual along. Off, as nobody has measured yet whether a row's
// one block gets it from the peers quickly enough. The same on all ranks: they meet block by block.
bool WantResidual(ControlPlane& group) {
  constexpr const char* kResidualVariable = "LOCKSTEP_PEER_RESIDUAL";
  const char* value = std::getenv(kResidualVariable);
  const std::string_view mine = value != nullptr ? value : "off";
  if (mine != "on" && mine != "off")
    throw BadInput("{}={}: expected on or off", kResidualVariable, mine);
  for (const auto& theirs : group.AllGather(std::as_bytes(std::span(mine))))
    if (theirs.size() != mine.size())
      throw BadInput("{} differs between the ranks: export it to all of them", kResidualVariable);
  return mine == "on";
}

}  // namespace

PeerReducer::PeerReducer(ControlPlane& group, SummingDevice device,
                         std::unique_ptr<PeerGroup> peers)
    : DeviceReducer(group, std::move(device)), peers_(std::move(peers)) {
  limits_.peers = peers_->elements();
  // NCCL's order would be another.
  if (HasNccl() && !peers_->shares_device() && !device_.add_in_tree) {
    SummingDevice for_nccl = device_;
    for_nccl.set_liveness_check = [this](auto watch) { nccl_watch_ = std::move(watch); };
    nccl_ = MakeNcclReducer(group, std::move(for_nccl));
  }
  takes_residual_ = WantResidual(group);
  SetTransport();
  device_.set_liveness_check([this](double waited_seconds) { Watch(waited_seconds); });
}

PeerReducer::~PeerReducer() {
  device_.set_liveness_check(nullptr);
  // Sums that are left on the device will not be completed.
  if (std::uncaught_exceptions() > 0) peers_->GiveUp();
  nccl_.reset();  // first: a sum of NCCL that hangs would keep the device busy
  peers_.reset();
}

void PeerReducer::SetTransport() {
  transport_ = "peer memory";
  if (nccl_ == nullptr) return;
  transport_ =
      limits_.peers == 0
          ? fmt::format("{}, quicker here than peer memory", nccl_->transport())
          : fmt::format("peer memory up to {} KiB, else {}",
                        limits_.peers * std::int64_t{sizeof(float)} / 1024, nccl_->transport());
}

double PeerReducer::SecondsOf(CudaStream& stream, const std::function<void()>& sum) {
  constexpr int kSums = 8;
  sum();  // connects, and loads the kernels
  stream.Wait();
  group_.Barrier();
  const auto began = std::chrono::steady_clock::now();
  for (int i = 0; i < kSums; ++i) sum();
  stream.Wait();
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - began;
  // The slowest rank's, on every rank.
  double slowest = 0;
  const double mine = took.count() / kSums;
  for (const auto& theirs : group_.AllGather(std::as_bytes(std::span(&mine, 1)))) {
    double seconds = 0;
    std::memcpy(&seconds, theirs.data(), std::min(theirs.size(), sizeof(seconds)));
    slowest = std::max(slowest, seconds);
  }
  return slowest;
}

void PeerReducer::Tune(CudaStream& stream) {
  const Tensor x = device_.allocate({peers_->elements()});
  auto* values = x.view().data<float>();
  Check(cudaMemsetAsync(values, 0, x.view().bytes(), stream.get()), "cudaMemsetAsync");
  std::vector<SumTimes> times;
  for (std::int64_t count = 8192; count <= peers_->elements(); count *= 4) {
    const auto by = [&](PeerShots shots) {
      return SecondsOf(stream, [&] {
        peers_->Sum(values, count, {group_.deadline_seconds(), shots}, stream.get());
      });
    };
    SumTimes time{
        .elements = count, .one_shot = by(PeerShots::kOne), .two_shots = by(PeerShots::kTwo)};
    if (nccl_ != nullptr)
      time.nccl = SecondsOf(
          stream, [&] { nccl_->AllReduceSum(x.view().Rows(0, count), Stream{stream.get()}); });
    times.push_back(time);
  }
  if (nccl_ != nullptr) nccl_->CountFromHere();
  limits_ = LimitsOf(times);
  tuned_ = true;
  SetTransport();
}

void PeerReducer::AllReduceSum(const TensorView& x, Stream stream) {
  LOCKSTEP_CHECK(!failed_, "a collective after one that failed");
  LOCKSTEP_CHECK(stream.handle != nullptr, "sums are ordered on a stream");
  const std::int64_t count = x.elements(), most = peers_->elements();
  CountSum(count);
  if (WayOf(count) == Way::kNccl) return nccl_->AllReduceSum(x, stream);
  for (std::int64_t at = 0; at < count; at += most) {
    const std::int64_t part = std::min(most, count - at);
    peers_->Sum(x.data<float>() + at, part, {group_.deadline_seconds(), ShotsOf(part)},
                static_cast<cudaStream_t>(stream.handle));
  }
}

bool PeerReducer::SumToResidual(const ResidualNormArgs& args, cudaStream_t stream) {
  LOCKSTEP_CHECK(!failed_, "a collective after one that failed");
  const std::int64_t count = args.tokens * args.d_model;
  // More rows are more bytes than one exchange is quick for, or fill the device by themselves.
  if (!takes_residual_ || args.tokens > kPeerResidualRows || count > peers_->elements() ||
      WayOf(count) != Way::kPeers || ShotsOf(count) != PeerShots::kOne)
    return false;
  CountSum(count);
  peers_->SumToResidual(args, group_.deadline_seconds(), stream);
  return true;
}

PeerShots PeerReducer::ShotsOf(std::int64_t elements) const {
  if (!tuned_) return ShotsFor(size(), elements);
  return elements <= limits_.one_shot ? PeerShots::kOne : PeerShots::kTwo;
}

PeerReducer::Way PeerReducer::WayOf(std::int64_t elements) const {
  return elements > limits_.peers && nccl_ != nullptr ? Way::kNccl : Way::kPeers;
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
