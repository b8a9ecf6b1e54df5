#pragma once

#include <chrono>
#include <functional>

#include "bench/load/targets/request_record.h"
#include "bench/load/workload.h"

namespace lockstep {

// Time as records count it: seconds since the run began.
class RunClock {
 public:
  using Clock = std::chrono::steady_clock;

  void Restart() { start_ = Clock::now(); }
  double Now() const { return At(Clock::now()); }
  double At(Clock::time_point time) const {
    return std::chrono::duration<double>(time - start_).count();
  }
  Clock::time_point TimeOf(double seconds) const {
    return start_ +
           std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
  }

 private:
  Clock::time_point start_ = Clock::now();
};

// What answers requests. All calls, and all calls of Done, are made by the thread that runs the
// load.
class LoadTarget {
 public:
  using Done = std::function<void(RequestRecord)>;

  virtual ~LoadTarget() = default;

  // Sends it now. done is called once, later, when it has ended in whatever way.
  virtual void Send(LoadRequest request, const RunClock& clock, Done done) = 0;

  // Breaks off what is in flight: those requests end soon, as cancelled.
  virtual void Cancel() = 0;
};

}  // namespace lockstep
