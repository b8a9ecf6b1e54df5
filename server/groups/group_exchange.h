#pragma once

#include <cstddef>
#include <functional>
#include <set>
#include <string>

#include "server/groups/wire/messages.h"
#include "server/weights/weight_loader.h"

namespace lockstep {

// How groups of ranks go on with the weights of another checkpoint: all of them, or none. First
// everything that has begun ends; then every group reads its part beside what it has; where each
// could, all switch. A group that ends before the switch ends the exchange, and is started with the
// weights before; one that ends after it is started with the new ones. So nothing that has begun on
// some weights ever goes on with others.
//
// A pure function of what it is told. Not thread-safe.
class GroupExchange {
 public:
  struct Actions {
    std::function<void(std::size_t group, const WeightsMessage& message)> send;
    // Every group that is started from now on has this checkpoint.
    std::function<void(const std::string& checkpoint)> decide;
  };
  GroupExchange(std::size_t groups, Actions actions)
      : groups_(groups), actions_(std::move(actions)) {}

  // on_end is called once, in one of the methods below or in this one.
  void Begin(LoadWish wish, OnLoaded on_end);
  // Where it is, what has not begun has to wait.
  bool under_way() const { return state_ != State::kNone; }
  // It waits until all that has begun has ended: then Read() is to be called.
  bool waits() const { return state_ == State::kWaiting; }
  void Read();
  // It is so late now: where it still waits and its time has passed, it ends. True where it does.
  bool EndIfLate(LoadWish::Clock::time_point now);

  void Take(std::size_t group, const WeightsDoneMessage& done);
  // A group has ended.
  void NoteLost(std::size_t group);
  // For any other reason it does not come to its end.
  void GiveUp(const Error& error);

 private:
  enum class State { kNone, kWaiting, kReading, kSwitching };

  void SendAll(WeightsStep step);
  void GoOn();
  void End();

  const std::size_t groups_;
  const Actions actions_;
  State state_ = State::kNone;
  LoadWish wish_;
  OnLoaded on_end_;
  std::set<std::size_t> pending_;  // groups that have not answered
  LoadOutcome outcome_;
};

}  // namespace lockstep
