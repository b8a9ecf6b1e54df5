#include "planning/time/phases.h"

#include <algorithm>
#include <optional>

namespace lockstep {
namespace {

// Many texts that have the same part in a step.
RepeatedWork WorkOfTexts(const StepModel& model, std::int64_t texts, const StepTokens& part,
                         std::int64_t steps) {
  const std::vector<StepTokens> parts(static_cast<std::size_t>(texts), part);
  RepeatedWork work{.work = model.WorkOf(parts), .steps = static_cast<double>(steps)};
  for (int stage = 1; stage < model.stage_count(); ++stage)
    work.later.push_back(model.WorkOf(parts, stage));
  return work;
}

std::int64_t RoundedUp(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

// A step in which those stages have a batch that has(stage) says.
template <class Has>
StepTime TimeOfStages(const RepeatedWork& one, const RankRates& rates, const Has& has) {
  std::vector<std::optional<StepWork>> stages(one.later.size() + 1);
  for (std::size_t stage = 0; stage < stages.size(); ++stage)
    if (has(stage)) stages[stage] = stage == 0 ? one.work : one.later[stage - 1];
  return TimeOf(stages, rates);
}

// Every batch goes through all stages once.
StepTime TimeOfRound(const RepeatedWork& one, const RankRates& rates) {
  const std::size_t stages = one.later.size() + 1;
  const auto batches = static_cast<std::size_t>(one.going_round);
  StepTime time;
  for (std::size_t step = 0; step < stages; ++step)
    time += TimeOfStages(one, rates, [&](std::size_t stage) {
      return (step + stages - stage) % stages < batches;  // the batch's number
    });
  return time;
}

// Batches that follow on each other through the stages: at first only the front ones have any, and
// in the end only those behind.
class InOrder {
 public:
  explicit InOrder(const RankRates& rates) : rates_(rates) {}

  void Add(const RepeatedWork& one) {
    auto rest = static_cast<std::int64_t>(one.steps);
    begun_ += rest;
    for (; rest > 0 && step_ < std::ssize(one.later); --rest, ++step_)
      time_ += TimeOfStages(one, rates_, [&](std::size_t stage) { return At(stage) <= step_; });
    step_ += rest;
    const auto all = [](std::size_t) { return true; };
    if (rest > 0) time_ += TimeOfStages(one, rates_, all) * static_cast<double>(rest);
    last_ = &one;
  }

  StepTime Drained() {
    if (last_ == nullptr) return time_;
    for (std::int64_t behind = 1; behind <= std::ssize(last_->later); ++behind)
      time_ += TimeOfStages(*last_, rates_, [&](std::size_t stage) {
        return At(stage) >= behind && At(stage) < begun_ + behind;
      });
    return time_;
  }

 private:
  static std::int64_t At(std::size_t stage) { return static_cast<std::int64_t>(stage); }

  const RankRates& rates_;
  StepTime time_;
  std::int64_t step_ = 0;
  std::int64_t begun_ = 0;
  const RepeatedWork* last_ = nullptr;
};

}  // namespace

std::vector<RepeatedWork> PromptSteps(const StepModel& model, const GroupLoad& load) {
  std::vector<RepeatedWork> steps;
  const std::int64_t length = load.prompt_tokens;
  if (length == 0) return steps;
  const std::int64_t budget = RoundedUp(load.max_step_tokens, model.stage_count());
  const std::int64_t together = std::max<std::int64_t>(1, budget / length);
  if (together > 1) {
    const StepTokens whole{.new_tokens = length, .start = 0, .logit_rows = 1};
    const std::int64_t full = load.texts / together;
    if (full > 0) steps.push_back(WorkOfTexts(model, together, whole, full));
    if (load.texts % together > 0)
      steps.push_back(WorkOfTexts(model, load.texts % together, whole, 1));
    return steps;
  }
  for (std::int64_t start = 0; start < length; start += budget) {
    const std::int64_t count = std::min(budget, length - start);
    const StepTokens part{
        .new_tokens = count, .start = start, .logit_rows = start + count == length ? 1 : 0};
    steps.push_back(WorkOfTexts(model, 1, part, load.texts));
  }
  return steps;
}

std::vector<RepeatedWork> DecodeSteps(const StepModel& model, const GroupLoad& load) {
  constexpr std::int64_t kPlaces = 16;
  std::vector<RepeatedWork> steps;
  const std::int64_t count = load.new_tokens - 1;
  const std::int64_t places = std::min(count, kPlaces);
  const std::int64_t batches = std::min<std::int64_t>(load.texts, model.stage_count());
  for (std::int64_t i = 0; i < places; ++i) {
    const std::int64_t begin = count * i / places;
    const std::int64_t end = count * (i + 1) / places;
    const StepTokens part{
        .new_tokens = 1, .start = load.prompt_tokens + (begin + end - 1) / 2, .logit_rows = 1};
    steps.push_back(WorkOfTexts(model, RoundedUp(load.texts, batches), part, end - begin));
    if (model.stage_count() > 1) steps.back().going_round = batches;
  }
  return steps;
}

StepTime TimeOf(const std::vector<RepeatedWork>& steps, const RankRates& rates) {
  StepTime time;
  InOrder in_order(rates);
  for (const RepeatedWork& step : steps) {
    if (step.later.empty())
      time += TimeOf(step.work, rates) * step.steps;
    else if (step.going_round > 0)
      time += TimeOfRound(step, rates) * step.steps;
    else
      in_order.Add(step);
  }
  time += in_order.Drained();
  return time;
}

}  // namespace lockstep
