#pragma once

#include <cstdint>
#include <vector>

namespace lockstep {

// When a thread that is bound to a core leaves it: another program that takes half of that core
// slows a rank to half, and all that wait for it. Free to go, it gets the cores of ranks that wait.
//
// The sign is how often the system takes the core away from a thread that wants to go on. What has
// been left is tried again from time to time, and ever more rarely while it is still taken.
// Not thread-safe.
class CrowdWatch {
 public:
  enum class Advice : std::uint8_t { kNone, kLeave, kReturn };

  // now: nanoseconds of a steady clock. preemptions: of the thread, since it began.
  Advice Look(std::int64_t now, std::int64_t preemptions);

 private:
  std::int64_t looked_ = 0;
  std::int64_t preemptions_ = -1;  // then; -1: not yet
  bool away_ = false;
  std::int64_t changed_ = 0;  // when it left or returned
  std::int64_t stay_ = 0;     // nanoseconds, away
};

// The calling thread's own CrowdWatch, with the system's clock and count.
// Not thread-safe: one thread at a time, mostly the same.
class ThreadCrowdWatch {
 public:
  // Whether its core has been crowded lately: between kLeave and kReturn. Cheap; call it many times
  // a second.
  bool Look();

 private:
  CrowdWatch watch_;
  std::int64_t looked_ = 0;
  bool crowded_ = false;
};

// This process' threads may go to these cores when those that they are bound to are crowded. Before
// threads that watch are started. No core: nobody goes.
void AllowRoaming(std::vector<int> cores);

// Looks whether the calling thread is crowded, and lets it roam, or binds it again to what it was
// bound to when it first called this. Cheap; call it many times a second. Does nothing where
// roaming is not allowed or the system refuses.
bool RoamWhereCrowded();

}  // namespace lockstep
