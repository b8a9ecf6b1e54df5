#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "api/jobs/line_call.h"
#include "batch/queue/work_queue.h"
#include "core/error.h"
#include "serving/engine_loop.h"

namespace lockstep {

// What a group of ranks does in a batch job, on its first rank: keeps its engine full of lines from
// the queue. A line that cannot be used gives an error record.
class BatchWorker {
 public:
  struct Parts {
    EngineLoop& loop;
    WorkQueue& queue;
    JobRules rules;
  };
  explicit BatchWorker(const Parts& parts) : parts_(parts) {}

  // Runs the loop until the queue says that nothing more is wanted.
  void Run();

 private:
  class Sink;
  struct Ended {  // one of the two
    std::int64_t index = 0;
    std::size_t request = 0;  // of the line
    std::optional<TextResult> result = {};
    std::optional<Error> error = {};
  };

  struct Line {
    std::string where;
    std::unique_ptr<LineCall> call;
    std::vector<TextResult> results;  // of its requests
    std::size_t missing = 0;          // of these
  };

  void Exchange();
  void Take(Ended ended);
  void Finish(std::int64_t index, const Line& line);
  void Submit(const WorkLine& line, std::unique_ptr<LineCall> call);
  void Start(const WorkLine& line);

  Parts parts_;
  std::unordered_map<std::int64_t, Line> lines_;  // in flight
  std::vector<Ended> ended_;                      // since the last step
};

}  // namespace lockstep
