#pragma once

#include <cstdint>
#include <optional>
#include <unordered_map>
#include <vector>

#include "api/requests.h"
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
    const Tokenizer* tokenizer;  // null: there is none, and lines of text give error records
    const ModelSpec& spec;
    const Options& defaults;
    WorkQueue& queue;
    Task task = Task::kGenerate;
  };
  explicit BatchWorker(const Parts& parts) : parts_(parts) {}

  // Runs the loop until the queue says that nothing more is wanted.
  void Run();

 private:
  class Sink;
  struct Ended {  // one of the two
    std::int64_t index = 0;
    std::optional<TextResult> result = {};
    std::optional<Error> error = {};
  };

  void Exchange();
  void Take(const Ended& ended);
  void Finish(std::int64_t index, const TextResult& result);
  void Start(const WorkLine& line);
  void Refuse(const WorkLine& line, const std::string& error);

  Parts parts_;
  std::unordered_map<std::int64_t, LineRequest> requests_;  // in flight
  std::vector<Ended> ended_;                                // since the last step
};

}  // namespace lockstep
