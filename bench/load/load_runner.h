#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cstdint>
#include <functional>
#include <limits>
#include <list>
#include <optional>
#include <vector>

#include "bench/load/targets/load_target.h"

namespace lockstep {

// When requests are sent.
struct LoadPlan {
  std::vector<double> arrivals;             // seconds; empty: each when an earlier one has ended
  std::optional<std::int64_t> concurrency;  // at most so many at a time
  std::int64_t requests = std::numeric_limits<std::int64_t>::max();
  double seconds = std::numeric_limits<double>::infinity();  // in which requests are begun
};

// What a run has given.
struct LoadRun {
  std::vector<RequestRecord> records;  // in the order in which they ended
  double seconds = 0.0;                // from its beginning to its last end
  std::int64_t asked_for = 0;          // requests that were sent
  bool is_stopped = false;             // before its end
};

struct RunProgress {
  double seconds = 0.0;
  std::int64_t completed = 0;
  std::int64_t failed = 0;
  std::int64_t in_flight = 0;
  std::int64_t output_tokens = 0;  // of those that are complete
};

// Sends a load to a target and collects what becomes of it. One thread, that of Run(), does
// everything.
class LoadRunner {
 public:
  struct Parts {
    boost::asio::io_context& io;  // of the target
    LoadTarget& target;
    std::function<LoadRequest(std::int64_t)> make;  // the request of this number
    std::function<bool()> stop;                     // asked often; true: what is in flight is left
    std::function<void(const RequestRecord&)> on_record = {};
    std::function<void(const RunProgress&)> on_progress = {};  // ten times a second
  };
  explicit LoadRunner(Parts parts);

  LoadRun Run(const LoadPlan& plan);

 private:
  void Pump();
  bool MayStart();
  void Start();
  void End(RequestRecord record);
  void Rest(double seconds);
  void Tick();
  void Stop();

  Parts parts_;
  LoadPlan plan_;
  RunClock clock_;
  boost::asio::steady_timer arrival_;
  boost::asio::steady_timer tick_;
  std::list<boost::asio::steady_timer> rests_;  // of clients whose request has failed
  std::int64_t next_ = 0;
  std::int64_t in_flight_ = 0;
  std::int64_t resting_ = 0;
  bool is_done_ = false;
  RunProgress progress_;
  LoadRun run_;
};

}  // namespace lockstep
