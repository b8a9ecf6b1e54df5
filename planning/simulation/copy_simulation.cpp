#include "planning/simulation/copy_simulation.h"

#include <algorithm>

#include "engine/scheduling/scheduler.h"
#include "layers/kv_cache.h"

namespace lockstep {
namespace {

class CopySimulation {
 public:
  CopySimulation(const CopyShape& shape, std::span<const double> arrivals)
      : shape_(shape),
        arrivals_(arrivals),
        progress_(arrivals.size()),
        scheduler_({.max_sequences = shape.max_sequences,
                    .max_step_tokens = shape.max_step_tokens,
                    .page_count = shape.cache_pages,
                    .page_tokens = KvCache::kPageTokens,
                    .prefix_cache = PrefixCache::kOff}) {}

  Simulation Run() {
    while (submitted_ < arrivals_.size() || !scheduler_.idle()) {
      if (scheduler_.idle()) now_ = std::max(now_, arrivals_[submitted_]);
      SubmitWhoHasCome();
      Step();
    }
    result_.seconds = now_;
    result_.preemptions = scheduler_.counts().preemptions;
    return std::move(result_);
  }

 private:
  struct Progress {
    double first_token = 0.0;  // when it came
    std::int64_t tokens = 0;   // that were made
  };

  // The scheduler goes by the order of arrival: whoever could not be admitted yet may wait here,
  // where it takes no memory for its tokens.
  void SubmitWhoHasCome() {
    while (submitted_ < arrivals_.size() && arrivals_[submitted_] <= now_ &&
           scheduler_.waiting_count() < shape_.max_sequences) {
      scheduler_.Submit({.id = static_cast<std::int64_t>(submitted_),
                         .tokens = std::vector<std::int32_t>(
                             static_cast<std::size_t>(shape_.workload.prompt_tokens), 0)});
      ++submitted_;
    }
  }

  void Step() {
    const PlannedStep step = scheduler_.Plan();
    parts_.clear();
    reached_.clear();
    for (const Chunk& chunk : step.chunks) {
      const bool ends = chunk.reaches_end();
      parts_.push_back({chunk.count, chunk.start, ends ? 1 : 0});
      if (ends) reached_.push_back(chunk.id);
    }
    const double seconds = TimeOf(shape_.model.WorkOf(parts_), shape_.rates).total();
    now_ += seconds;
    result_.busy_seconds += seconds;
    ++result_.steps;
    result_.sequences_in_steps += static_cast<std::int64_t>(parts_.size());
    scheduler_.Complete(step.number);
    for (const std::int64_t id : reached_) AddToken(id);
  }

  void AddToken(std::int64_t id) {
    Progress& one = progress_[static_cast<std::size_t>(id)];
    if (++one.tokens == 1) one.first_token = now_;
    if (one.tokens < shape_.workload.new_tokens) return scheduler_.Append(id, 0);
    scheduler_.Remove(id);
    const double arrival = arrivals_[static_cast<std::size_t>(id)];
    const double further = static_cast<double>(std::max<std::int64_t>(1, one.tokens - 1));
    result_.latencies.push_back({static_cast<float>(one.first_token - arrival),
                                 static_cast<float>((now_ - one.first_token) / further),
                                 static_cast<float>(now_ - arrival)});
  }

  const CopyShape& shape_;
  std::span<const double> arrivals_;
  std::vector<Progress> progress_;
  Scheduler scheduler_;
  std::size_t submitted_ = 0;
  double now_ = 0.0;
  std::vector<StepTokens> parts_;      // of the step, kept for their memory
  std::vector<std::int64_t> reached_;  // whose next token the step chooses
  Simulation result_;
};

}  // namespace

Simulation SimulateCopy(const CopyShape& shape, std::span<const double> arrivals) {
  return CopySimulation(shape, arrivals).Run();
}

}  // namespace lockstep
