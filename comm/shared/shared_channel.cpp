#include "comm/shared/shared_channel.h"

#include <fmt/format.h>
#include <sched.h>

#include <utility>

#include "core/activity.h"
#include "core/timing/phases.h"

namespace lockstep {
namespace {

constexpr int kFirstPolls = 200;                // without looking at the clock
constexpr double kRollCallAfterSeconds = 0.25;  // from here on a waiting rank answers roll calls
constexpr double kRollCallSeconds = 2;          // how long the caller waits for answers
// Whoever started a rank that dies usually ends its peers at once, and says why; only when it
// does not is it their turn.
constexpr double kGoneAfterSeconds = 1;
constexpr double kGoneEverySeconds = 0.5;

void Relax() {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

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

SharedChannel::SharedChannel(std::shared_ptr<SharedSegment> segment, SharedRanks ranks)
    : segment_(std::move(segment)),
      ranks_(std::move(ranks)),
      size_(segment_->ranks()),
      presence_(*segment_, ranks_.rank),
      cores_(CoresFor(size_)),
      posted_(static_cast<std::size_t>(size_)),
      mapped_(static_cast<std::size_t>(size_)) {
  LOCKSTEP_CHECK(ranks_.hosts.size() == size_, "{} hosts of {} ranks", ranks_.hosts.size(), size_);
  for (int peer = 0; peer < size_; ++peer) letterboxes_.push_back(&segment_->letterbox(peer));
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

void SharedChannel::AwaitCounter(const SharedCounter& counter, std::uint64_t value, int peer) {
  const int polls = cores_ == DeadlineBackoff::Cores::kEnough ? kFirstPolls : 1;
  for (int i = 0; i < polls; ++i) {
    if (counter.value() >= value) return;
    Relax();
  }
  AwaitLong(counter, value, peer);
}

void SharedChannel::AwaitLong(const SharedCounter& counter, std::uint64_t value, int peer) {
  if (!std::exchange(waited_long_, true)) {
    patience_ = DeadlineBackoff(deadline_seconds_, cores_);
    look_again_seconds_ = kGoneAfterSeconds;
  }
  patience_.Restart();
  for (std::uint64_t seen = counter.value(); seen < value; seen = counter.value()) {
    if (patience_.expired()) FailAtDeadline();
    patience_.Pause([&] { counter.SleepWhile(seen); });
    if (patience_.waited_seconds() > kRollCallAfterSeconds) AnswerRollCall();
    if (patience_.waited_seconds() < look_again_seconds_ || counter.value() >= value) continue;
    look_again_seconds_ = patience_.waited_seconds() + kGoneEverySeconds;
    const auto gone = GoneRank(peer);
    // It may have done its part and left since.
    if (!gone || counter.value() >= value) continue;
    throw CollectiveError(ExitCode::kRankFailure,
                          fmt::format("{}: {} has ended{}", What(), Name(*gone), Doing()));
  }
}

// Not only the awaited rank: in a collective it may itself be waiting for one that is gone.
std::optional<int> SharedChannel::GoneRank(int awaited) const {
  if (IsOfTwo(call_.collective))
    return presence_.IsGone(awaited) ? std::optional(awaited) : std::nullopt;
  for (int peer = 0; peer < size_; ++peer) {
    if (peer == rank() || !presence_.IsGone(peer)) continue;
    // One that has done its part in this collective may leave.
    if (peer != awaited && HasPosted(peer, number_)) continue;
    return peer;
  }
  return std::nullopt;
}

void SharedChannel::AnswerRollCall() {
  Letterbox& mine = *letterboxes_[static_cast<std::size_t>(rank())];
  if (segment_->roll_called().load() == 0 || mine.answered.load() != 0) return;
  mine.answered_number = call_.number;
  mine.answered_collective = static_cast<std::uint32_t>(call_.collective);
  mine.answered_peer = call_.peer;
  mine.answered = 1;
}

bool SharedChannel::IsPresent(int peer) const {
  return letterboxes_[static_cast<std::size_t>(peer)]->answered.load() != 0;
}

PeerCall SharedChannel::AnswerOf(int peer) const {
  const Letterbox& theirs = *letterboxes_[static_cast<std::size_t>(peer)];
  return {.collective = static_cast<Collective>(theirs.answered_collective.load()),
          .number = theirs.answered_number,
          .peer = theirs.answered_peer};
}

// Once is enough: the world is about to end.
void SharedChannel::CallTheRoll() {
  segment_->roll_called() = 1;
  AnswerRollCall();
  const auto complete = [this] {
    for (int peer = 0; peer < size_; ++peer) {
      if (!IsPresent(peer)) return false;
    }
    return true;
  };
  DeadlineBackoff patience(kRollCallSeconds, DeadlineBackoff::Cores::kShared);
  while (!patience.expired() && !complete()) patience.Pause();
}

std::vector<PeerAnswer> SharedChannel::Answers() const {
  std::vector<PeerAnswer> answers;
  for (int peer = 0; peer < size_; ++peer) {
    answers.push_back({.name = Name(peer), .call = std::nullopt});
    if (IsPresent(peer)) answers.back().call = AnswerOf(peer);
  }
  return answers;
}

void SharedChannel::FailAtDeadline() {
  CallTheRoll();
  const std::vector<PeerAnswer> answers = Answers();
  const std::vector<std::string> late = LatePeers(call_, rank(), answers);
  const std::vector<std::string> elsewhere = PeersElsewhere(call_, rank(), answers);
  if (!late.empty()) {
    throw CollectiveError(ExitCode::kRankFailure,
                          fmt::format("{}: {} did not arrive within {:g} s{}", What(),
                                      fmt::join(late, ", "), deadline_seconds_, Doing()));
  }
  if (!elsewhere.empty()) FailDrifted(fmt::format("{}", fmt::join(elsewhere, ", ")));
  throw CollectiveError(
      ExitCode::kRankFailure,
      fmt::format("{}: not finished within {:g} s although every rank takes part, so this host is "
                  "too busy{}",
                  What(), deadline_seconds_, Doing()));
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
