#pragma once

#include <cstdint>
#include <vector>

namespace lockstep {

// When a thread that is bound to a core leaves it: another program that takes half of that core
// slows a rank to half, and all that wait for it. Free to go, it gets the cores of ranks that wait.
//
// The sign is how long the thread waits for a core while it could go on: a server's own threads
// take little, another busy program half of the time. What has been left is tried again from time
// to time, and ever more rarely while it is still taken. Not thread-safe.
class CrowdWatch {
 public:
  enum class Advice : std::uint8_t { kNone, kLeave, kReturn };

  // Nanoseconds: now of a steady clock, and how long the thread has waited for a core since it
  // began.
  Advice Look(std::int64_t now, std::int64_t waited);

 private:
  std::int64_t looked_ = 0;
  std::int64_t waited_ = -1;  // then; -1: not yet
  bool away_ = false;
  std::int64_t changed_ = 0;  // when it left or returned
  std::int64_t stay_ = 0;     // nanoseconds, away
};

// The calling thread's own CrowdWatch, with the system's clocks.
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
