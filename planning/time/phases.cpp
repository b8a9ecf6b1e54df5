#include "planning/time/phases.h"

#include <algorithm>

namespace lockstep {
namespace {

// Many texts that have the same part in a step.
StepWork WorkOfTexts(const StepModel& model, std::int64_t texts, const StepTokens& part) {
  return model.WorkOf(std::vector<StepTokens>(static_cast<std::size_t>(texts), part));
}

}  // namespace

std::vector<RepeatedWork> PromptSteps(const StepModel& model, const GroupLoad& load) {
  std::vector<RepeatedWork> steps;
  const std::int64_t length = load.prompt_tokens;
  if (length == 0) return steps;
  const std::int64_t together = std::max<std::int64_t>(1, load.max_step_tokens / length);
  if (together > 1) {
    const StepTokens whole{.new_tokens = length, .start = 0, .logit_rows = 1};
    const std::int64_t full = load.texts / together;
    if (full > 0) steps.push_back({WorkOfTexts(model, together, whole), static_cast<double>(full)});
    if (load.texts % together > 0)
      steps.push_back({WorkOfTexts(model, load.texts % together, whole), 1.0});
    return steps;
  }
  for (std::int64_t start = 0; start < length; start += load.max_step_tokens) {
    const std::int64_t count = std::min(load.max_step_tokens, length - start);
    const StepTokens part{
        .new_tokens = count, .start = start, .logit_rows = start + count == length ? 1 : 0};
    steps.push_back({WorkOfTexts(model, 1, part), static_cast<double>(load.texts)});
  }
  return steps;
}

std::vector<RepeatedWork> DecodeSteps(const StepModel& model, const GroupLoad& load) {
  constexpr std::int64_t kPlaces = 16;
  std::vector<RepeatedWork> steps;
  const std::int64_t count = load.new_tokens - 1;
  const std::int64_t places = std::min(count, kPlaces);
  for (std::int64_t i = 0; i < places; ++i) {
    const std::int64_t begin = count * i / places;
    const std::int64_t end = count * (i + 1) / places;
    const StepTokens part{
        .new_tokens = 1, .start = load.prompt_tokens + (begin + end - 1) / 2, .logit_rows = 1};
    steps.push_back({WorkOfTexts(model, load.texts, part), static_cast<double>(end - begin)});
  }
  return steps;
}

StepTime TimeOf(const std::vector<RepeatedWork>& steps, const RankRates& rates) {
  StepTime time;
  for (const RepeatedWork& step : steps) time += TimeOf(step.work, rates) * step.steps;
  return time;
}

}  // namespace lockstep
