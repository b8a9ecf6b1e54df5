#include "server/groups/rank_group.h"

#include <signal.h>
#include <sys/wait.h>

#include <algorithm>
#include <utility>

#include "core/log.h"
#include "runtime/spawn/elastic_world.h"
#include "runtime/spawn/spawn.h"
#include "server/groups/group_place.h"

namespace lockstep {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// For processes that end to say why, and for ranks that leave.
constexpr seconds kWordsTime{3};
constexpr seconds kLeaveTime{10};
// How often a silent group is looked at for processes that somebody has stopped.
constexpr milliseconds kStoppedLook{400};
// A start may take so many times what the slowest one took, and always so long.
constexpr int kSlowStart = 10;
constexpr seconds kLeastStartTime{60};
// After so many starts that failed, in a row, fewer ranks are tried.
constexpr int kFailedStarts = 3;

double Seconds(RankGroup::Clock::duration time) {
  return std::chrono::duration<double>(time).count();
}

// Of a process that has said why it ends.
std::optional<ExitCode> KnownCode(int code) {
  for (const ExitCode known : {ExitCode::kInternal, ExitCode::kBadInput, ExitCode::kEnvironment,
                               ExitCode::kRankFailure, ExitCode::kInterrupted})
    if (code == static_cast<int>(known)) return known;
  return std::nullopt;
}

}  // namespace

RankGroup::RankGroup(GroupPlan plan, EndedChildren& children, Events events)
    : plan_(std::move(plan)), children_(children), events_(std::move(events)) {}

void RankGroup::Step() {
  switch (state_) {
    case State::kDown:
      if (Clock::now() >= start_at_) Start();
      return;
    case State::kStarting: Move(); return WatchStart();
    case State::kReady: Move(); return WatchSilence();
    case State::kLeaving:
    case State::kEnding: Move(); return WatchEnd();
    case State::kGone: return;
  }
}

void RankGroup::Start() {
  started_at_ = Clock::now();
  came_up_ = false;
  forced_ = false;
  was_stopped_ = false;
  memory_kills_ = OutOfMemoryKills();
  status_.reset();
  try {
    listener_ = std::make_unique<LocalListener>();
    const GroupPlace place{listener_->name(), plan_.ranks, plan_.group,
                           plan_.groups,      plan_.dtype, plan_.checkpoint};
    process_ = std::make_unique<GroupProcess>(
        GroupProcess::Start{.command = plan_.command,
                            .variable = fmt::format("{}={}", kGroupVariable, place.ToText()),
                            .devices = plan_.devices,
                            .cores = plan_.cores});
    state_ = State::kStarting;
  } catch (const Error& error) {  // the system has no more processes or descriptors, just now
    if (!was_ready_) throw;
    listener_.reset();
    PlanRestart(error.what());
  }
}

// Brings bytes and messages as far as they go.
void RankGroup::Move() {
  if (listener_ != nullptr) {
    Descriptor peer = listener_->Accept();
    if (!peer) return;
    link_ = std::make_unique<FrameSocket>(std::move(peer));
    listener_.reset();
  }
  if (link_ == nullptr) return;
  try {
    link_->Write();  // where that fails, there may still be something to read; then the end shows
    const bool open = link_->Read();
    for (auto message = link_->Next(); message; message = link_->Next()) {
      Take(Decode<FromGroup>(*message));
      if (link_ == nullptr) return;
    }
    if (!open) Lose("rank 0 has closed its socket", Manner::kByItself);
  } catch (const Error& error) {
    Lose(fmt::format("rank 0 has sent what is no message: {}", error.what()), Manner::kByForce);
  }
}

void RankGroup::Take(FromGroup message) {
  heard_at_ = Clock::now();
  if (state_ == State::kLeaving || state_ == State::kReady) {
    if (!std::holds_alternative<ReadyMessage>(message)) events_.on_message(std::move(message));
    return;
  }
  if (state_ != State::kStarting || !std::holds_alternative<ReadyMessage>(message)) return;
  state_ = State::kReady;
  came_up_ = true;
  failed_starts_ = 0;
  pause_.started = heard_at_ - started_at_;
  slowest_start_ = std::max(slowest_start_, pause_.started);
  was_ready_ = true;
  events_.on_ready();
}

void RankGroup::WatchStart() {
  if (state_ != State::kStarting) return;
  if (process_->End(children_)) return Lose("", Manner::kByItself);
  const auto limit = std::max<Clock::duration>(kSlowStart * slowest_start_, kLeastStartTime);
  if (was_ready_ && Clock::now() - started_at_ > limit)
    Lose(fmt::format("they were not ready within {:.0f} s", Seconds(limit)), Manner::kByForce);
}

void RankGroup::WatchSilence() {
  if (state_ != State::kReady) return;
  if (process_->End(children_)) return Lose("", Manner::kByItself);
  const double silence = Seconds(Clock::now() - heard_at_);
  LookForStopped();
  if (silence > plan_.silence_seconds)
    Lose(fmt::format("rank 0 has been silent for {:.1f} s", silence), Manner::kByForce);
}

// Rank 0 speaks several times a second unless a rank computes for long, or is stopped.
void RankGroup::LookForStopped() {
  const auto now = Clock::now();
  if (was_stopped_ || now - std::max(heard_at_, looked_at_) < kStoppedLook) return;
  looked_at_ = now;
  was_stopped_ = process_->IsStopped();
}

// cause: empty where the process's end says it.
void RankGroup::Lose(std::string cause, Manner manner) {
  const bool was_up = state_ == State::kReady;
  lost_at_ = Clock::now();
  if (state_ != State::kLeaving) {
    cause_ = std::move(cause);
    pause_ = {.silent = lost_at_ - (was_up ? heard_at_ : started_at_)};
  }
  state_ = State::kEnding;
  link_.reset();
  listener_.reset();
  const auto words_time = kWordsTime + (leaves_ ? plan_.end_time : seconds(0));
  force_at_ = lost_at_ + (manner == Manner::kByForce ? Clock::duration() : words_time);
}

void RankGroup::WatchEnd() {
  if (!status_) status_ = process_->End(children_);
  if (!status_ && Clock::now() < force_at_) return;
  forced_ = forced_ || !status_;
  if (process_->Kill() && status_) FinishEnd();
}

// Where the process has ended by itself, how it did says more than what was noticed first.
std::string RankGroup::CauseOfEnd() const {
  return forced_ ? cause_ : "their process " + DescribeEnd(*status_);
}

// SIGKILL is the kernel's where memory was short, and else somebody's.
RankGroup::Fault RankGroup::FaultOfEnd() const {
  if (was_stopped_) return Fault::kFromOutside;
  if (forced_) return Fault::kPerhapsTheirs;
  if (WIFEXITED(*status_)) {
    const bool told = WEXITSTATUS(*status_) == static_cast<int>(ExitCode::kInterrupted);
    return told ? Fault::kFromOutside : Fault::kPerhapsTheirs;
  }
  switch (WTERMSIG(*status_)) {
    case SIGKILL:
      return memory_kills_ && memory_kills_ == OutOfMemoryKills() ? Fault::kFromOutside
                                                                  : Fault::kPerhapsTheirs;
    case SIGTERM:
    case SIGINT:
    case SIGHUP: return Fault::kFromOutside;
    default: return Fault::kPerhapsTheirs;
  }
}

void RankGroup::FinishEnd() {
  process_.reset();
  link_.reset();
  listener_.reset();
  if (leaves_) {
    state_ = State::kGone;
    return;
  }
  if (!was_ready_) return FailFirst();
  if (came_up_) events_.on_lost(FaultOfEnd());
  PlanRestart(CauseOfEnd());
}

// Its own words, if it could speak, are enough.
void RankGroup::FailFirst() {
  state_ = State::kGone;
  first_failure_ = WIFEXITED(*status_) ? KnownCode(WEXITSTATUS(*status_)) : std::nullopt;
  if (first_failure_) return;
  first_failure_ = ExitCode::kRankFailure;
  LogError("{} could not be started: {}", plan_.name, CauseOfEnd());
}

void RankGroup::PlanRestart(std::string cause) {
  cause_ = std::move(cause);
  if (!came_up_ && ++failed_starts_ >= kFailedStarts && plan_.ranks > plan_.least_ranks) {
    failed_starts_ = 0;
    backoff_.Reset();
    const auto smaller = NextSmaller({.tensor = plan_.ranks});
    plan_.ranks = std::max(smaller->tensor, plan_.least_ranks);
    LogWarning("{} do not start; {} of them are tried from now on (server.min_ranks is {})",
               plan_.name, plan_.ranks, plan_.least_ranks);
  }
  ++restarts_;
  const seconds wait = backoff_.Next();
  start_at_ = Clock::now() + wait;
  pause_.ended = start_at_ - lost_at_;
  LogWarning("{}: {}; they are started again{} (restart {})", plan_.name, cause_,
             wait.count() == 0 ? "" : fmt::format(" in {} s", wait.count()), restarts_);
  state_ = State::kDown;
}

void RankGroup::AddPolled(std::vector<pollfd>& polled) const {
  if (listener_ != nullptr) polled.push_back({listener_->number(), POLLIN, 0});
  if (link_ == nullptr) return;
  const short events = link_->has_unwritten() ? POLLIN | POLLOUT : POLLIN;
  polled.push_back({link_->number(), events, 0});
}

milliseconds RankGroup::patience() const {
  switch (state_) {
    case State::kReady:
    case State::kGone: return milliseconds(100);
    case State::kEnding: return milliseconds(5);
    case State::kDown:
    case State::kStarting:
    case State::kLeaving: break;
  }
  return milliseconds(20);
}

void RankGroup::Send(const ToGroup& message) {
  if (link_ != nullptr) link_->Put(Encode(message));
}

void RankGroup::Leave() {
  if (std::exchange(leaves_, true) || state_ == State::kGone) return;
  if (state_ != State::kReady) return Kill();
  Send(LeaveMessage());
  state_ = State::kLeaving;
  force_at_ = Clock::now() + kLeaveTime + plan_.end_time;
}

void RankGroup::Kill() {
  leaves_ = true;
  if (process_ == nullptr) {
    state_ = State::kGone;
    return;
  }
  state_ = State::kEnding;
  force_at_ = Clock::now();
}

std::string RankGroup::reason() const {
  if (ready()) return "";
  if (!was_ready_) return plan_.name + " are starting";
  return fmt::format("{} are being started again: {}", plan_.name,
                     cause_.empty() ? "they have ended" : cause_);
}

}  // namespace lockstep
