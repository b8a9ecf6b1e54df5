#include "planning/simulation/copy_simulation.h"

#include <algorithm>
#include <deque>
#include <optional>
#include <utility>

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
                    .steps_under_way = shape.model.stage_count(),
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

  // What a step begins, on its way through the stages.
  struct Batch {
    std::int64_t number = 0;  // 0: nothing
    std::vector<StepTokens> parts = {};
    std::vector<std::int64_t> reached = {};  // whose next token it chooses
  };

  void Step() {
    stages_.push_front(Begin());
    const double seconds = Seconds();
    now_ += seconds;
    result_.busy_seconds += seconds;
    ++result_.steps;
    if (std::ssize(stages_) < shape_.model.stage_count()) return;
    const Batch last = std::move(stages_.back());
    stages_.pop_back();
    if (last.number == 0) return;
    scheduler_.Complete(last.number);
    for (const std::int64_t id : last.reached) AddToken(id);
  }

  Batch Begin() {
    const PlannedStep step = scheduler_.Plan();
    Batch batch{.number = step.number};
    for (const Chunk& chunk : step.chunks) {
      const bool ends = chunk.reaches_end();
      batch.parts.push_back({chunk.count, chunk.start, ends ? 1 : 0});
      if (ends) batch.reached.push_back(chunk.id);
    }
    result_.sequences_in_steps += std::ssize(batch.parts);
    return batch;
  }

  double Seconds() const {
    const StepModel& model = shape_.model;
    if (model.stage_count() == 1)
      return TimeOf(model.WorkOf(stages_.front().parts), shape_.rates).total();
    std::vector<std::optional<StepWork>> works(static_cast<std::size_t>(model.stage_count()));
    for (std::size_t stage = 0; stage < stages_.size(); ++stage)
      if (stages_[stage].number != 0)
        works[stage] = model.WorkOf(stages_[stage].parts, static_cast<int>(stage));
    return TimeOf(works, shape_.rates).total();
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
  std::deque<Batch> stages_;  // what each has
  Simulation result_;
};

}  // namespace

Simulation SimulateCopy(const CopyShape& shape, std::span<const double> arrivals) {
  return CopySimulation(shape, arrivals).Run();
}

}  // namespace lockstep
