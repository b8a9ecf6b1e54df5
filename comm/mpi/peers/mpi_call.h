#pragma once

#include "comm/peers/call_watch.h"

namespace lockstep {

// While one lives, this process is within a call of MPI that ought to return at once. Where a
// connection has broken, Open MPI over TCP may enter an event in libevent's list for the second
// time, which makes that list a ring: MPI_Testsome() then goes round it for ever, and no deadline
// is looked at. A call that has computed for two seconds says so and ends the process with
// kRankFailure. One at a time, and after MPI has started.
class MpiCall {
 public:
  MpiCall();

 private:
  CallWatch::Call call_;
};

// What that call returns.
template <typename Call>
int Watched(const Call& call) {
  const MpiCall watched;
  return call();
}

}  // namespace lockstep
