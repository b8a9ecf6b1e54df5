#include "comm/shared/shared_channel.h"

#include <fmt/format.h>
#include <sched.h>

#include <utility>

#include "comm/peers/roll_call.h"
#include "core/activity.h"
#include "core/threads/crowd_watch.h"
#include "core/timing/phases.h"

namespace lockstep {
namespace {

constexpr int kFirstPolls = 200;  // without looking at the clock
// Collectives between two looks at whether this rank's core is crowded: less than a step of a
// model.
constexpr std::uint64_t kRoamEvery = 16;
// Nanoseconds for which polling is worth a core: a rank that computes comes within it.
constexpr std::int64_t kChannelSpin = 1'000'000;

DeadlineBackoff::Cores CoresFor(int ranks) {
  cpu_set_t mine;
  CPU_ZERO(&mine);
  const bool known = ::sched_getaffinity(0, sizeof(mine), &mine) == 0;
  // A rank that may use one core alone has been bound to it; its peers have theirs.
  const int cores = known ? CPU_COUNT(&mine) : 1;
  return cores == 1 || cores >= ranks ? DeadlineBackoff::Cores::kEnough
                                      : DeadlineBackoff::Cores::kShared;
}

}  // namespace

SharedChannel::SharedChannel(std::shared_ptr<SharedSegment> segment, SharedRanks ranks,
                             std::shared_ptr<PeerProbe> probe)
    : segment_(std::move(segment)),
      ranks_(std::move(ranks)),
      size_(segment_->ranks()),
      presence_(*segment_, ranks_.rank),
      probe_(std::move(probe)),
      cores_(CoresFor(size_)),
      spin_(kChannelSpin),
      posted_(static_cast<std::size_t>(size_)),
      mapped_(static_cast<std::size_t>(size_)) {
  LOCKSTEP_CHECK(ranks_.hosts.size() == size_, "{} hosts of {} ranks", ranks_.hosts.size(), size_);
  for (int peer = 0; peer < size_; ++peer) letterboxes_.push_back(&segment_->letterbox(peer));
  if (probe_ != nullptr) return;
  probe_ = std::make_shared<PeerProbe>(ranks_.numbers[static_cast<std::size_t>(ranks_.rank)]);
  probe_->set_hosts(ranks_.hosts);
}

const SharedPost& SharedChannel::PostOf(int peer, std::uint64_t number) const {
  return letterboxes_[static_cast<std::size_t>(peer)]->posts[number % 2];
}

bool SharedChannel::HasPosted(int peer, std::uint64_t number) const {
  return PostOf(peer, number).number.value() >= number;
}

void SharedChannel::Begin(Collective collective, std::size_t bytes, double deadline_seconds) {
  previous_ = std::exchange(collective_, collective);
  bytes_ = bytes;
  deadline_seconds_ = deadline_seconds;
  waited_long_ = false;
  ++number_;
  call_ = {collective, number_, bytes};
  if (number_ % kRoamEvery == 0) {
    letterboxes_[static_cast<std::size_t>(rank())]->roams.store(RoamWhereCrowded(),
                                                                std::memory_order_relaxed);
  }
  if (number_ == 1) return;
  // Whoever has posted the last collective has finished with the one before it, whose post and
  // inlined message are about to be overwritten. It is also the last chance to see a drift.
  for (int peer = 0; peer < size_; ++peer) {
    if (peer != rank()) AwaitPost(number_ - 1, previous_, peer);
  }
}

void SharedChannel::BeginMessage(const PeerCall& call, double deadline_seconds) {
  call_ = call;
  deadline_seconds_ = deadline_seconds;
  waited_long_ = false;
}

void SharedChannel::AwaitMessage(const SharedCounter& counter) {
  if (counter.value() >= call_.number) return;
  const ScopedPhase waiting(Phase::kWaiting);
  AwaitCounter(counter, call_.number, call_.peer);
}

void SharedChannel::Post(const SharedPlace& place) {
  SharedPost& post = letterboxes_[static_cast<std::size_t>(rank())]->posts[number_ % 2];
  post.bytes = bytes_;
  post.place = place;
  post.collective = static_cast<std::uint32_t>(collective_);
  post.number.Raise(number_);
}

const SharedPost& SharedChannel::Await(int peer) {
  if (peer != rank()) AwaitPost(number_, collective_, peer);
  return PostOf(peer, number_);
}

void SharedChannel::AwaitPost(std::uint64_t number, Collective collective, int peer) {
  std::uint64_t& posted = posted_[static_cast<std::size_t>(peer)];
  if (posted >= number) return;
  const SharedPost& post = PostOf(peer, number);
  if (post.number.value() < number) {
    const ScopedPhase waiting(Phase::kWaiting);
    AwaitCounter(post.number, number, peer);
  }
  posted = number;
  if (post.collective == static_cast<std::uint32_t>(collective)) return;
  FailDrifted(fmt::format("{} is in {}", Name(peer),
                          Describe(static_cast<Collective>(post.collective), number)));
}

const SharedPost& SharedChannel::AwaitSameSize(int peer) {
  const SharedPost& post = Await(peer);
  if (post.bytes == bytes_) return post;
  FailDrifted(
      fmt::format("{} has {} bytes, not the {} expected here", Name(peer), post.bytes, bytes_));
}

std::span<std::byte> SharedChannel::Inlined(int peer) {
  return letterboxes_[static_cast<std::size_t>(peer)]->inlined[number_ % 2];
}

std::byte* SharedChannel::Placed(int peer) {
  const SharedPlace& place = PostOf(peer, number_).place;
  Mapped& mapped = mapped_[static_cast<std::size_t>(peer)];
  if (mapped.memory == nullptr || mapped.piece != place.piece) {
    mapped = {place.piece, segment_->At({place.piece, place.piece_bytes, 0})};
  }
  return mapped.memory + place.offset;
}

void SharedChannel::RaiseDone() {
  letterboxes_[static_cast<std::size_t>(rank())]->done.Raise(number_);
}

void SharedChannel::AwaitDone(int peer) {
  AwaitCounter(letterboxes_[static_cast<std::size_t>(peer)]->done, number_, peer);
}

bool SharedChannel::MaySpin(int peer) const {
  const auto roams = [this](int of) {
    return letterboxes_[static_cast<std::size_t>(of)]->roams.load(std::memory_order_relaxed);
  };
  return cores_ == DeadlineBackoff::Cores::kEnough && !roams(peer) && !roams(rank());
}

void SharedChannel::AwaitCounter(const SharedCounter& counter, std::uint64_t value, int peer) {
  const int polls = MaySpin(peer) ? kFirstPolls : 1;
  for (int i = 0; i < polls; ++i) {
    if (counter.value() >= value) return;
    RelaxCore();
  }
  AwaitLong(counter, value, peer);
}

void SharedChannel::AwaitLong(const SharedCounter& counter, std::uint64_t value, int peer) {
  if (!std::exchange(waited_long_, true)) {
    patience_ = DeadlineBackoff(deadline_seconds_, cores_);
    look_again_seconds_ = PeerProbe::kGoneAfterSeconds;
  }
  patience_.Restart();
  patience_.set_spin_seconds(MaySpin(peer) ? static_cast<double>(spin_.nanoseconds()) * 1e-9 : 0);
  for (std::uint64_t seen = counter.value(); seen < value; seen = counter.value()) {
    if (patience_.expired()) FailWithout(peer);
    patience_.Pause([&] { counter.SleepWhile(seen); });
    if (patience_.waited_seconds() > PeerProbe::kAnswerAfterSeconds) LookAround(peer);
    if (patience_.waited_seconds() < look_again_seconds_ || counter.value() >= value) continue;
    look_again_seconds_ = patience_.waited_seconds() + PeerProbe::kGoneEverySeconds;
    const auto gone = GoneRank(peer);
    // It may have done its part and left since.
    if (!gone || counter.value() >= value) continue;
    probe_->GiveUp(CurrentWait(peer));
    throw CollectiveError(ExitCode::kRankFailure,
                          fmt::format("{}: {} has ended{}", What(), probe_->Name(*gone), Doing()));
  }
  spin_.Learn(static_cast<std::int64_t>(patience_.since_restart_seconds() * 1e9));
}

// In the world. Not only the awaited rank: it may itself be waiting for one that is gone.
std::optional<int> SharedChannel::GoneRank(int awaited) const {
  const auto in_world = [this](int peer) { return ranks_.numbers[static_cast<std::size_t>(peer)]; };
  if (IsOfTwo(call_.collective) && presence_.IsGone(awaited)) return in_world(awaited);
  for (int peer = 0; peer < size_ && !IsOfTwo(call_.collective); ++peer) {
    if (peer == rank() || !presence_.IsGone(peer)) continue;
    // One that has done its part in this collective may leave.
    if (peer != awaited && HasPosted(peer, number_)) continue;
    return in_world(peer);
  }
  return probe_->Gone();
}

PeerWait SharedChannel::CurrentWait(int awaited) const {
  return {.group = ranks_.group,
          .call = call_,
          .awaited = {ranks_.numbers[static_cast<std::size_t>(awaited)]}};
}

void SharedChannel::LookAround(int awaited) {
  const auto mine = [this, awaited] { return CurrentWait(awaited); };
  const bool asks = patience_.waited_seconds() >= PeerProbe::AskAfter(deadline_seconds_);
  asks ? probe_->Ask(mine) : probe_->Answer(mine);
}

void SharedChannel::FailWithout(int awaited) const {
  probe_->GiveUp(CurrentWait(awaited));
  FailAtDeadline(*probe_, {.wait = CurrentWait(awaited),
                           .ranks = ranks_.numbers,
                           .self = rank(),
                           .what = What(),
                           .doing = Doing(),
                           .seconds = deadline_seconds_,
                           .bottleneck = "this host is too busy"});
}

void SharedChannel::FailDrifted(const std::string& how) const {
  throw CollectiveError(ExitCode::kInternal,
                        fmt::format("{}: the ranks have drifted apart, {}{}; please report this",
                                    What(), how, Doing()));
}

std::string SharedChannel::What() const {
  return Describe(call_, IsOfTwo(call_.collective) ? Name(call_.peer) : "");
}

std::string SharedChannel::Name(int rank) const {
  return fmt::format("rank {} on {}", ranks_.numbers[static_cast<std::size_t>(rank)],
                     hosts().name(rank));
}

std::string SharedChannel::Doing() const {
  return fmt::format(" ({}, while {})", Name(rank()), CurrentActivity());
}

}  // namespace lockstep
