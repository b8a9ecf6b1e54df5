#pragma once

#include <cstdint>
#include <unordered_map>
#include <utility>

#include "api/requests.h"
#include "batch/queue/work_queue.h"
#include "text/session.h"

namespace lockstep {

// What a group of ranks does in a batch job, on its first rank: keeps its engine full of lines from
// the queue. A line that cannot be used gives an error record.
class BatchWorker {
 public:
  struct Parts {
    Engine& engine;
    const Tokenizer* tokenizer;  // null: there is none, and lines of text give error records
    const ModelSpec& spec;
    const Options& defaults;
    WorkQueue& queue;
    Task task = Task::kGenerate;
  };
  explicit BatchWorker(const Parts& parts);

  // Until the queue says that nothing more is wanted.
  void Run();

 private:
  void Finish(std::int64_t index, const TextResult& result);
  void Start(const WorkLine& line);
  void Submit(const WorkLine& line, const LineRequest& request);
  void Refuse(const WorkLine& line, const std::string& error);
  void Wait();

  Parts parts_;
  std::unordered_map<std::int64_t, LineRequest> requests_;  // in flight
  TextSession session_;
};

}  // namespace lockstep
