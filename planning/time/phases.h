#pragma once

#include <cstdint>
#include <vector>

#include "planning/time/step_time.h"

namespace lockstep {

// The texts of one copy of the model.
struct GroupLoad {
  std::int64_t texts = 1;  // in flight together
  std::int64_t prompt_tokens = 0;
  std::int64_t new_tokens = 0;
  std::int64_t max_step_tokens = 512;  // engine.max_step_tokens
};

// So many steps of the same work.
struct RepeatedWork {
  StepWork work;  // of the first stage
  double steps = 1.0;
  std::vector<StepWork> later = {};  // of the stages behind it, in a pipeline
  // Of a pipeline: such batches that go round in it, and `steps` counts their rounds. 0: batches
  // that follow on each other.
  std::int64_t going_round = 0;
};

// The steps that read all prompts, of at most max_step_tokens each: long prompts one after the
// other, short ones as many as fit together. Only the last step of a prompt makes logits.
std::vector<RepeatedWork> PromptSteps(const StepModel& model, const GroupLoad& load);

// The steps that make new_tokens - 1 further tokens for each text, the first having come with its
// prompt. Their work grows evenly with the texts: it is taken at no more than 16 of them. In a
// pipeline the texts go round in as many batches as there are stages, where there are as many
// texts.
std::vector<RepeatedWork> DecodeSteps(const StepModel& model, const GroupLoad& load);

// The time of all of them, until the last has left the pipeline, if it is one.
StepTime TimeOf(const std::vector<RepeatedWork>& steps, const RankRates& rates);

}  // namespace lockstep
