#include "core/timing/phases.h"

#include <algorithm>
#include <chrono>
#include <memory>
#include <vector>

namespace lockstep {
namespace {

// What is known of a thread that somebody watches.
class ThreadPhases {
 public:
  explicit ThreadPhases(PhaseWatch::Clock clock) : clock_(clock), since_(clock()) {}

  std::vector<PhaseObserver*>& observers() { return observers_; }

  Phase Enter(Phase phase, std::int64_t& now) {
    now = Settle();
    const Phase outer = phase_;
    phase_ = phase;
    return outer;
  }

  void Leave(Phase outer, std::int64_t begin) {
    const PhaseSpan span{.phase = phase_, .begin = begin, .end = Settle()};
    phase_ = outer;
    for (PhaseObserver* observer : observers_) observer->OnSpan(span);
  }

  void Begin() {
    next_at_ = Settle();
    next_sums_ = sums_;
    has_begun_ = true;
  }

  void Drop() { has_begun_ = false; }

  void Name(std::int64_t step, std::int64_t tokens) {
    if (!has_begun_) Begin();
    has_begun_ = false;
    step_ = {.step = step, .tokens = tokens, .begin = next_at_, .end = next_at_, .phases = {}};
    before_ = next_sums_;
    is_named_ = true;
  }

  void End(NextStep next) {
    if (!is_named_) return;  // it had a name before anybody watched
    step_.end = Settle();
    for (std::size_t i = 0; i < kPhaseCount; ++i) step_.phases[i] = sums_[i] - before_[i];
    for (PhaseObserver* observer : observers_) observer->OnStep(step_);
    has_begun_ = next == NextStep::kFollows;
    next_at_ = step_.end;
    next_sums_ = sums_;
  }

  void Note(RequestTime moment) {
    if (moment.at == 0) moment.at = clock_();
    for (PhaseObserver* observer : observers_) observer->OnRequest(moment);
  }

 private:
  // The time since the last look is the current phase's.
  std::int64_t Settle() {
    const std::int64_t now = clock_();
    sums_[static_cast<std::size_t>(phase_)] += now - since_;
    since_ = now;
    return now;
  }

  PhaseWatch::Clock clock_;
  std::vector<PhaseObserver*> observers_;
  Phase phase_ = Phase::kOther;  // the innermost
  std::int64_t since_;
  PhaseNanoseconds sums_{};

  bool has_begun_ = false;  // the step to come
  std::int64_t next_at_ = 0;
  PhaseNanoseconds next_sums_{};
  bool is_named_ = false;
  StepTimes step_;
  PhaseNanoseconds before_{};
};

thread_local std::unique_ptr<ThreadPhases> t_phases;

}  // namespace

std::int64_t SteadyNanoseconds() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

std::string_view Name(Phase phase) {
  switch (phase) {
    case Phase::kOther: return "other";
    case Phase::kPlan: return "plan";
    case Phase::kBroadcast: return "broadcast";
    case Phase::kProducts: return "products";
    case Phase::kAttention: return "attention";
    case Phase::kAllReduce: return "all-reduce";
    case Phase::kWaiting: return "waiting";
    case Phase::kGather: return "gather";
    case Phase::kTransfer: return "transfer";
    case Phase::kSampling: return "sampling";
  }
  return "?";
}

PhaseWatch::PhaseWatch(PhaseObserver& observer) : PhaseWatch(observer, SteadyNanoseconds) {}

PhaseWatch::PhaseWatch(PhaseObserver& observer, Clock clock) : observer_(observer) {
  if (t_phases == nullptr) t_phases = std::make_unique<ThreadPhases>(clock);
  t_phases->observers().push_back(&observer);
}

PhaseWatch::~PhaseWatch() {
  std::vector<PhaseObserver*>& observers = t_phases->observers();
  observers.erase(std::ranges::find(observers, &observer_));
  if (observers.empty()) t_phases.reset();
}

ScopedPhase::ScopedPhase(Phase phase) : is_watched_(t_phases != nullptr) {
  if (is_watched_) outer_ = t_phases->Enter(phase, begin_);
}

ScopedPhase::~ScopedPhase() {
  if (is_watched_ && t_phases != nullptr) t_phases->Leave(outer_, begin_);
}

void BeginStep() {
  if (t_phases != nullptr) t_phases->Begin();
}

void NameStep(std::int64_t step, std::int64_t tokens) {
  if (t_phases != nullptr) t_phases->Name(step, tokens);
}

void EndStep(NextStep next) {
  if (t_phases != nullptr) t_phases->End(next);
}

void DropStep() {
  if (t_phases != nullptr) t_phases->Drop();
}

void NoteRequest(std::int64_t request, RequestMoment moment, std::int64_t tokens, std::int64_t at) {
  if (t_phases != nullptr)
    t_phases->Note({.request = request, .moment = moment, .at = at, .tokens = tokens});
}

}  // namespace lockstep
