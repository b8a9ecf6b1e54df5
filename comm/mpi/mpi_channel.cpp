#include "comm/mpi/mpi_channel.h"

#include <fmt/format.h>
#include <sched.h>

#include <algorithm>
#include <cstring>
#include <iterator>
#include <optional>
#include <utility>

#include "comm/control_plane.h"
#include "comm/mpi/peers/mpi_call.h"
#include "comm/peers/peer_ended.h"
#include "comm/peers/roll_call.h"
#include "core/activity.h"
#include "core/timing/phases.h"

namespace lockstep {
namespace {

template <typename... Args>
CollectiveError Absence(fmt::format_string<Args...> format, Args&&... args) {
  return CollectiveError(ExitCode::kRankFailure, fmt::format(format, std::forward<Args>(args)...));
}

// Whether this host's ranks have fewer processors than they are.
bool ShareProcessors(const MpiRanks& ranks, int self) {
  cpu_set_t mine;
  CPU_ZERO(&mine);
  return ::sched_getaffinity(0, sizeof(mine), &mine) != 0 ||
         CPU_COUNT(&mine) < std::ssize(ranks.hosts.Neighbours(self));
}

}  // namespace

bool MpiChannel::Receives(Pending::Kind kind) {
  return kind == Pending::Kind::kReceive || kind == Pending::Kind::kReceiveUpTo;
}

MpiChannel::MpiChannel(MpiRanks ranks, std::size_t max_message_bytes,
                       std::shared_ptr<PeerProbe> probe)
    : ranks_(std::move(ranks)),
      max_message_bytes_(max_message_bytes),
      rank_(ranks_.Self()),
      probe_(std::move(probe)) {
  if (!ShareProcessors(ranks_, rank_)) cores_ = DeadlineBackoff::Cores::kEnough;
  sent_.resize(ranks_.numbers.size());
  received_.resize(ranks_.numbers.size());
}

void MpiChannel::set_hosts(HostMap hosts) {
  ranks_.hosts = std::move(hosts);
  cores_ = ShareProcessors(ranks_, rank_) ? DeadlineBackoff::Cores::kShared
                                          : DeadlineBackoff::Cores::kEnough;
}

void MpiChannel::Begin(Collective collective, std::size_t bytes, double deadline_seconds) {
  call_ = {collective, ++collectives_, bytes};
  patience_ = DeadlineBackoff(deadline_seconds, cores_);
  // All else is short.
  if (collective != Collective::kAllReduce) patience_.set_naps(DeadlineBackoff::Naps::kGrow);
  look_again_seconds_ = PeerProbe::kGoneAfterSeconds;
}

void MpiChannel::BeginMessage(const PeerCall& call, double deadline_seconds) {
  call_ = call;
  auto& count = call.collective == Collective::kSend ? sent_ : received_;
  call_.number = ++count[static_cast<std::size_t>(call.peer)];
  patience_ = DeadlineBackoff(deadline_seconds, cores_);
  look_again_seconds_ = PeerProbe::kGoneAfterSeconds;
}

void MpiChannel::PostSend(int to, std::span<const std::byte> message) {
  // MPI only reads a send buffer.
  auto* data = const_cast<std::byte*>(message.data());
  for (std::size_t at = 0; at < message.size() || at == 0; at += max_message_bytes_) {
    const std::size_t bytes = std::min(max_message_bytes_, message.size() - at);
    Post({to, bytes, Pending::Kind::kSend}, data + at);
  }
}

void MpiChannel::PostSendToReceiver(int to, std::span<const std::byte> message) {
  LOCKSTEP_CHECK(message.size() <= max_message_bytes_, "{} bytes in one message", message.size());
  Post({to, message.size(), Pending::Kind::kSendToReceiver},
       const_cast<std::byte*>(message.data()));
}

void MpiChannel::PostReceive(int from, std::span<std::byte> message) {
  for (std::size_t at = 0; at < message.size() || at == 0; at += max_message_bytes_) {
    const std::size_t bytes = std::min(max_message_bytes_, message.size() - at);
    Post({from, bytes, Pending::Kind::kReceive}, message.data() + at);
  }
}

void MpiChannel::PostReceiveUpTo(int from, std::span<std::byte> buffer) {
  LOCKSTEP_CHECK(buffer.size() <= max_message_bytes_, "{} bytes in one message", buffer.size());
  Post({from, buffer.size(), Pending::Kind::kReceiveUpTo}, buffer.data());
}

void MpiChannel::Post(const Pending& what, std::byte* data) {
  MPI_Request request = MPI_REQUEST_NULL;
  const int count = static_cast<int>(what.bytes);
  const int peer = WorldRank(what.peer);
  int code = MPI_SUCCESS;
  const MpiCall watched;
  if (what.kind == Pending::Kind::kSend)
    code = MPI_Isend(data, count, MPI_BYTE, peer, Tag(), MPI_COMM_WORLD, &request);
  else if (what.kind == Pending::Kind::kSendToReceiver)
    code = MPI_Issend(data, count, MPI_BYTE, peer, Tag(), MPI_COMM_WORLD, &request);
  else
    code = MPI_Irecv(data, count, MPI_BYTE, peer, Tag(), MPI_COMM_WORLD, &request);
  Check(code, what.peer);
  requests_.push_back(request);
  pending_.push_back(what);
  ++open_;
}

void MpiChannel::Wait() {
  // In a sum the data travels meanwhile, and nothing tells the two apart.
  std::optional<ScopedPhase> waiting;
  if (open_ > 0 && call_.collective != Collective::kAllReduce) waiting.emplace(Phase::kWaiting);
  patience_.Restart();
  try {
    while (!Poll()) {
      patience_.Pause();
      if (patience_.waited_seconds() > PeerProbe::kAnswerAfterSeconds) LookAround();
    }
  } catch (...) {
    probe_->GiveUp(CurrentWait());
    CancelReceives();
    throw;
  }
  requests_.clear();
  pending_.clear();
}

// A late message must not land in a buffer that its owner has given up.
void MpiChannel::CancelReceives() {
  for (std::size_t i = 0; i < requests_.size(); ++i) {
    if (Receives(pending_[i].kind) && requests_[i] != MPI_REQUEST_NULL) MPI_Cancel(&requests_[i]);
  }
}

bool MpiChannel::Poll() {
  if (open_ == 0) return true;
  const int count = static_cast<int>(requests_.size());
  done_.resize(requests_.size());
  statuses_.resize(requests_.size());
  int completed = 0;
  const int code = Watched([&] {
    return MPI_Testsome(count, requests_.data(), &completed, done_.data(), statuses_.data());
  });
  if (code != MPI_SUCCESS && code != MPI_ERR_IN_STATUS) Check(code, rank_);
  for (int i = 0; i < completed; ++i) {
    const auto at = static_cast<std::size_t>(i);
    // Only MPI_ERR_IN_STATUS says that the statuses' error fields mean anything.
    if (code == MPI_SUCCESS) statuses_[at].MPI_ERROR = MPI_SUCCESS;
    CheckCompletion(pending_[static_cast<std::size_t>(done_[at])], statuses_[at]);
  }
  open_ -= static_cast<std::size_t>(std::max(completed, 0));
  return open_ == 0;
}

void MpiChannel::CheckCompletion(const Pending& what, MPI_Status& status) const {
  int error_class = MPI_SUCCESS;
  MPI_Error_class(status.MPI_ERROR, &error_class);
  if (error_class != MPI_ERR_TRUNCATE) Check(status.MPI_ERROR, what.peer);
  int received = 0;
  if (Receives(what.kind)) MPI_Get_count(&status, MPI_BYTE, &received);
  const bool too_short = what.kind == Pending::Kind::kReceive && error_class == MPI_SUCCESS &&
                         static_cast<std::size_t>(received) != what.bytes;
  if (error_class != MPI_ERR_TRUNCATE && !too_short) return;
  throw CollectiveError(
      ExitCode::kInternal,
      fmt::format("{}: {} sent {} than the {} bytes expected here, so the ranks have "
                  "drifted apart{}; please report this",
                  What(), Name(what.peer), too_short ? "fewer" : "more", what.bytes, Doing()));
}

void MpiChannel::Check(int code, int peer) const {
  if (code == MPI_SUCCESS) return;
  char text[MPI_MAX_ERROR_STRING] = {};
  int length = 0;
  MPI_Error_string(code, text, &length);
  throw Absence("{}: MPI failed towards {}: {}{}", What(), Name(peer), text, Doing());
}

PeerWait MpiChannel::CurrentWait() const {
  PeerWait wait{.group = ranks_.lane, .call = call_, .awaited = {}};
  for (std::size_t i = 0; i < requests_.size(); ++i) {
    if (requests_[i] != MPI_REQUEST_NULL) wait.awaited.push_back(WorldRank(pending_[i].peer));
  }
  return wait;
}

void MpiChannel::RefuseIfGone(int peer) {
  const std::optional<int> gone = probe_->Gone();
  if (gone == WorldRank(peer)) ThrowEnded(*gone);
}

void MpiChannel::ThrowEnded(int rank) const {
  throw PeerEndedError(ExitCode::kRankFailure,
                       fmt::format("{}: {} has ended{}", What(), probe_->Name(rank), Doing()));
}

void MpiChannel::LookForTheGone() {
  look_again_seconds_ = patience_.waited_seconds() + PeerProbe::kGoneEverySeconds;
  const std::optional<int> gone = probe_->Gone();
  // It may have done its part before.
  if (!gone || Poll()) return;
  ThrowEnded(*gone);
}

void MpiChannel::LookAround() {
  const auto mine = [this] { return CurrentWait(); };
  const double deadline = patience_.deadline_seconds();
  if (patience_.waited_seconds() >= look_again_seconds_) LookForTheGone();
  if (patience_.waited_seconds() < PeerProbe::AskAfter(deadline)) return probe_->Answer(mine);
  probe_->Ask(mine);
  if (!patience_.expired() || Poll()) return;
  FailAtDeadline(*probe_, {.wait = CurrentWait(),
                           .ranks = ranks_.numbers,
                           .self = rank_,
                           .what = What(),
                           .doing = Doing(),
                           .seconds = deadline,
                           .bottleneck = "the network between them is stalled or too slow"});
}

std::string MpiChannel::What() const {
  return Describe(call_, IsOfTwo(call_.collective) ? Name(call_.peer) : "");
}

std::string MpiChannel::Name(int rank) const {
  return fmt::format("rank {} on {}", WorldRank(rank), hosts().name(rank));
}

std::string MpiChannel::Doing() const {
  return fmt::format(" ({}, while {})", Name(rank_), CurrentActivity());
}

}  // namespace lockstep
