#include "engine/step_executor.h"

#include <string>

#include "core/activity.h"
#include "core/error.h"
#include "core/timing/phases.h"

namespace lockstep {
namespace {

std::string Doing(const StepMessage& message) {
  return fmt::format("computing a step of {} tokens of {} sequences", message.batch.ids.size(),
                     message.batch.sequences.size());
}

FirstQuestions IsFirst(const StepMessage& message) {
  return message.batch.ids.empty() ? FirstQuestions::kNo : FirstQuestions::kYes;
}

}  // namespace

void StepExecutor::Launch(const StepMessage& message) {
  const Activity doing(Doing(message));
  const bool goes_on = IsFirst(message) == FirstQuestions::kNo;
  const std::int64_t expected = goes_on ? step_ : step_ + 1;
  LOCKSTEP_CHECK(message.step == expected, "rank {} was sent step {}, and expected step {}",
                 control_.rank(), message.step, expected);
  if (goes_on) return;
  step_ = message.step;
  NameStep(step_, std::ssize(message.batch.ids));
  decoder_.Forward(message.batch);
}

std::vector<RowAnswer> StepExecutor::Collect(const StepMessage& message) {
  const Activity doing(Doing(message));
  const FirstQuestions first = IsFirst(message);
  const std::vector<std::vector<std::byte>> answers = Gather(AnswerHere(message, first));
  if (control_.rank() != 0) return {};
  const ScopedPhase sampling(Phase::kSampling);
  return MergeAnswers(answers, message.questions, first);
}

std::vector<std::byte> StepExecutor::AnswerHere(const StepMessage& message, FirstQuestions first) {
  const ScopedPhase sampling(Phase::kSampling);
  return decoder_.Answer(message.questions, first, message.vocab_limit);
}

std::vector<std::vector<std::byte>> StepExecutor::Gather(std::span<const std::byte> mine) {
  const ScopedPhase gather(Phase::kGather);
  return control_.Gather(mine);
}

}  // namespace lockstep
