#pragma once

#include <boost/asio/io_context.hpp>
#include <functional>
#include <optional>

#include "bench/load/load_report.h"
#include "bench/load/load_runner.h"
#include "bench/load/replay.h"
#include "bench/load/workload.h"
#include "runtime/progress/progress_line.h"

namespace lockstep {

// The whole of a measurement: warms up, runs the rounds, looks for the rate.
class LoadBench {
 public:
  struct Parts {
    boost::asio::io_context& io;
    LoadTarget& target;
    const LoadOptions& options;
    std::function<bool()> stop;
    ProgressLine& progress;
  };
  // Reads the file of a replay. Throws BadInput.
  explicit LoadBench(const Parts& parts);

  // Fills rounds, search and is_interrupted of the report. Throws BadInput or EnvironmentError
  // when the first request of all is not answered.
  void Measure(LoadReport& report);

 private:
  void Prepare();
  RequestRecord TryOne(const LoadRequest& request);
  LoadPlan PlanOf(std::optional<double> rate, std::int64_t round) const;
  LoadRun RunOnce(const LoadPlan& plan, std::int64_t round, const std::string& name);
  FoundRate Search();
  RateTrial TryRate(double rate, std::int64_t round, double seconds);

  Parts parts_;
  Workload workload_;
  std::optional<ReplayedLoad> replay_;
};

}  // namespace lockstep
