#pragma once

#include <functional>
#include <memory>
#include <string>

namespace lockstep {

// Ends a process that does not come back from a call that ought to return at once. Where a
// connection has broken, Open MPI over TCP may enter an event in libevent's list for the second
// time, which makes that list a ring: MPI_Testsome() then goes round it for ever, and no deadline
// is looked at. What counts is the processor time of the call, which no busy machine makes longer.

// While one lives, the calling thread is within such a call. Costs nothing that can be measured.
// One at a time in a process.
class WatchedCall {
 public:
  WatchedCall();
  ~WatchedCall();
  WatchedCall(const WatchedCall&) = delete;
  WatchedCall& operator=(const WatchedCall&) = delete;
};

// Looks at the process's calls, on a thread of its own, until it is destroyed. One for a process.
class EndlessCallWatch {
 public:
  // Such a call that has computed for so long ends the process: it says why (the message is asked
  // for on the watch's thread) and exits with kRankFailure.
  EndlessCallWatch(double seconds, std::function<std::string()> message);
  ~EndlessCallWatch();
  EndlessCallWatch(const EndlessCallWatch&) = delete;
  EndlessCallWatch& operator=(const EndlessCallWatch&) = delete;

 private:
  struct Thread;
  std::unique_ptr<Thread> thread_;
};

}  // namespace lockstep
