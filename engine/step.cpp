#include "engine/step.h"

#include "core/activity.h"
#include "core/error.h"

namespace lockstep {

std::vector<RowAnswer> StepRunner::Run(const StepMessage& message) {
  const Activity doing(fmt::format("computing a step of {} tokens of {} sequences",
                                   message.batch.ids.size(), message.batch.sequences.size()));
  const FirstQuestions first =
      message.batch.ids.empty() ? FirstQuestions::kNo : FirstQuestions::kYes;
  if (first == FirstQuestions::kYes) logits_ = decoder_.Forward(message.batch);
  const LogitSlice slice{.backend = decoder_.backend(),
                         .logits = logits_,
                         .vocab = decoder_.vocab_rows(),
                         .leaves = decoder_.vocab_leaves(),
                         .vocab_limit = message.vocab_limit};
  const auto answers = communicator_.Gather(AnswerRows(slice, message.questions, first));
  if (communicator_.rank() != 0) return {};
  return MergeAnswers(answers, message.questions, first);
}

}  // namespace lockstep
