#include "server/groups/group_exchange.h"

#include <algorithm>
#include <utility>

namespace lockstep {

void GroupExchange::Begin(LoadWish wish, OnLoaded on_end) {
  LOCKSTEP_CHECK(!under_way(), "weights are being exchanged already");
  state_ = State::kWaiting;
  wish_ = std::move(wish);
  on_end_ = std::move(on_end);
  outcome_ = {};
}

void GroupExchange::Read() {
  LOCKSTEP_CHECK(waits(), "nobody waits to read");
  state_ = State::kReading;
  SendAll(WeightsStep::kRead);
}

bool GroupExchange::EndIfLate(LoadWish::Clock::time_point now) {
  if (!waits() || now < wish_.until) return false;
  outcome_ = TooLate();
  End();
  return true;
}

void GroupExchange::SendAll(WeightsStep step) {
  for (std::size_t group = 0; group < groups_; ++group) {
    pending_.insert(group);
    actions_.send(group, {step, wish_.checkpoint});
  }
}

void GroupExchange::Take(std::size_t group, const WeightsDoneMessage& done) {
  if (pending_.erase(group) == 0) return;
  if (state_ == State::kReading) {
    outcome_.seconds = std::max(outcome_.seconds, done.seconds);
    if (done.code != ExitCode::kOk && !outcome_.error)
      outcome_.error = Error(done.code, done.message);
  }
  GoOn();
}

void GroupExchange::NoteLost(std::size_t group) {
  if (!under_way()) return;
  if (state_ != State::kSwitching && !outcome_.error)
    outcome_.error = Error(ExitCode::kRankFailure,
                           "ranks have ended meanwhile, and are started again with those before");
  if (state_ == State::kWaiting) return End();
  if (pending_.erase(group) > 0) GoOn();
}

void GroupExchange::GiveUp(const Error& error) {
  if (!under_way()) return;
  pending_.clear();
  outcome_.error = error;
  End();
}

// Once all have answered.
void GroupExchange::GoOn() {
  if (!pending_.empty()) return;
  if (state_ == State::kSwitching) return End();
  if (outcome_.error) {
    for (std::size_t group = 0; group < groups_; ++group)
      actions_.send(group, {WeightsStep::kDrop, wish_.checkpoint});
    return End();
  }
  state_ = State::kSwitching;
  actions_.decide(wish_.checkpoint);
  SendAll(WeightsStep::kSwitch);
}

void GroupExchange::End() {
  state_ = State::kNone;
  std::exchange(on_end_, nullptr)(outcome_);
}

}  // namespace lockstep
