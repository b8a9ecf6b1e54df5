#include "engine/step_executor.h"

#include "core/activity.h"
#include "core/error.h"

namespace lockstep {

std::vector<RowAnswer> StepExecutor::Run(const StepMessage& message) {
  const Activity doing(fmt::format("computing a step of {} tokens of {} sequences",
                                   message.batch.ids.size(), message.batch.sequences.size()));
  const FirstQuestions first =
      message.batch.ids.empty() ? FirstQuestions::kNo : FirstQuestions::kYes;
  if (first == FirstQuestions::kYes) decoder_.Forward(message.batch);
  const auto answers =
      communicator_.Gather(decoder_.Answer(message.questions, first, message.vocab_limit));
  if (communicator_.rank() != 0) return {};
  return MergeAnswers(answers, message.questions, first);
}

}  // namespace lockstep
