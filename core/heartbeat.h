#pragma once

#include <chrono>
#include <functional>

namespace lockstep {

// Long work must not be taken for death by those who wait for its result. Whoever works long calls
// Heartbeat() in its loops; whoever knows the others says what that does. So a tokenizer need not
// know of ranks.

// As long as it lives, Heartbeat() on this thread calls `beat` once in a period; those of all
// scopes, the innermost first. What `beat` throws comes out of Heartbeat(), and so out of the work.
class HeartbeatScope {
 public:
  HeartbeatScope(std::chrono::duration<double> period, std::function<void()> beat);
  ~HeartbeatScope();
  HeartbeatScope(const HeartbeatScope&) = delete;
  HeartbeatScope& operator=(const HeartbeatScope&) = delete;

 private:
  friend void Heartbeat();

  void Beat();

  std::chrono::duration<double> period_;
  std::function<void()> beat_;
  std::chrono::steady_clock::time_point next_;
  bool beating_ = false;
  HeartbeatScope* outer_;
};

// Cheap enough for every word of a text: a look at the clock, and nothing where there is no scope.
void Heartbeat();

// For a call that may take long and has no loop (fsync): makes it on a thread of its own and beats
// meanwhile. Throws what the call throws.
void BeatDuring(const std::function<void()>& call);

// The period of heartbeats, for whoever is waited for until a deadline.
std::chrono::duration<double> HeartbeatPeriod(double deadline_seconds);

}  // namespace lockstep
