#include "engine/step_executor.h"

#include <algorithm>
#include <string>
#include <utility>

#include "core/activity.h"
#include "core/error.h"
#include "core/message_bytes.h"
#include "core/timing/phases.h"

namespace lockstep {
namespace {

std::string Doing(const StepMessage& message) {
  return fmt::format("computing a step of {} tokens of {} sequences", message.batch.ids.size(),
                     message.batch.sequences.size());
}

// Null: there is no batch.
std::int64_t TokensOf(const StepMessage* batch) {
  return batch != nullptr ? std::ssize(batch->batch.ids) : 0;
}

FirstQuestions IsFirst(const StepMessage& message) {
  return message.stages.empty() ? FirstQuestions::kNo : FirstQuestions::kYes;
}

}  // namespace

StepExecutor::StepExecutor(Decoder& decoder, const EngineRanks& ranks)
    : decoder_(decoder), control_(ranks.copy), traffic_(decoder, ranks) {
  LOCKSTEP_CHECK(control_.size() % decoder.stage_count() == 0, "{} ranks of {} stages",
                 control_.size(), decoder.stage_count());
}

// Those whose batches are in the pipeline, with this one's.
void StepExecutor::KeepOnWay(const StepMessage& message) {
  std::erase_if(on_way_, [&](const StepMessage& begun) {
    return std::ranges::count(message.stages, begun.step) == 0;
  });
  if (!message.batch.ids.empty()) on_way_.push_back(message);
}

// The message with which a batch has come that is computed in this step; null for 0.
const StepMessage* StepExecutor::Find(std::int64_t step, const StepMessage& message) const {
  if (step == 0) return nullptr;
  if (step == message.step) return &message;
  const auto found = std::ranges::find(on_way_, step, &StepMessage::step);
  LOCKSTEP_CHECK(found != on_way_.end(), "rank {} knows nothing of the batch of step {}",
                 control_.rank(), step);
  return &*found;
}

void StepExecutor::Launch(const StepMessage& message) {
  const bool goes_on = IsFirst(message) == FirstQuestions::kNo;
  const std::int64_t expected = goes_on ? step_ : step_ + 1;
  LOCKSTEP_CHECK(message.step == expected, "rank {} was sent step {}, and expected step {}",
                 control_.rank(), message.step, expected);
  if (goes_on) return;
  LOCKSTEP_CHECK(std::ssize(message.stages) == decoder_.stage_count(),
                 "a step of {} stages, not {}", message.stages.size(), decoder_.stage_count());
  step_ = message.step;
  if (has_stages()) KeepOnWay(message);
  const auto stage = static_cast<std::size_t>(decoder_.stage());
  const StepMessage* mine = Find(message.stages[stage], message);
  const std::int64_t tokens = TokensOf(mine);
  NameStep(step_, tokens);
  traffic_.BeginStep();
  if (mine != nullptr) {
    const Activity doing(Doing(*mine));
    decoder_.Forward(mine->batch, traffic_.Input(mine->step, tokens));
    traffic_.TakeOutput(tokens);
  }
  if (!has_stages()) return;
  const Activity doing("passing activations from stage to stage");
  const StepMessage* before = stage > 0 ? Find(message.stages[stage - 1], message) : nullptr;
  traffic_.Exchange(message.stages, {.given = tokens, .taken = TokensOf(before)});
}

std::vector<RowAnswer> StepExecutor::Collect(const StepMessage& message) {
  const FirstQuestions first = IsFirst(message);
  const StepMessage* asked =
      first == FirstQuestions::kYes ? Find(message.stages.back(), message) : &message;
  if (asked == nullptr) return {};
  const Activity doing(Doing(*asked));
  const std::vector<std::vector<std::byte>> answers = Gather(AnswerHere(*asked, first));
  if (control_.rank() != 0) return {};
  const ScopedPhase sampling(Phase::kSampling);
  return MergeAnswers(has_stages() ? TakeHidden(answers) : answers, asked->questions, first);
}

// It is the last stage that answers. The hidden states of the batch come with its first rank's.
std::vector<std::byte> StepExecutor::AnswerHere(const StepMessage& message, FirstQuestions first) {
  const ScopedPhase sampling(Phase::kSampling);
  if (!decoder_.is_last_stage()) return {};
  std::vector<std::byte> answer = decoder_.Answer(message.questions, first, message.vocab_limit);
  if (!has_stages()) {
    if (decoder_.has_hidden()) hidden_ = traffic_.Hidden(std::ssize(message.batch.ids));
    return answer;
  }
  MessageWriter writer;
  writer.PutList(answer);
  const std::span<const float> hidden = first == FirstQuestions::kYes
                                            ? traffic_.Hidden(std::ssize(message.batch.ids))
                                            : std::span<const float>();
  writer.PutList(std::vector<float>(hidden.begin(), hidden.end()));
  return writer.Take();
}

// What the last stage's ranks have answered, without the hidden states.
std::vector<std::vector<std::byte>> StepExecutor::TakeHidden(
    std::span<const std::vector<std::byte>> answers) {
  const std::size_t ranks = answers.size() / static_cast<std::size_t>(decoder_.stage_count());
  std::vector<std::vector<std::byte>> of_stage;
  for (const std::vector<std::byte>& bytes : answers.last(ranks)) {
    MessageReader reader(bytes);
    of_stage.push_back(reader.GetList<std::byte>());
    std::vector<float> hidden = reader.GetList<float>();
    reader.End();
    if (of_stage.size() > 1 || hidden.empty()) continue;  // further questions bring none
    received_ = std::move(hidden);
    hidden_ = received_;
  }
  return of_stage;
}

std::vector<std::vector<std::byte>> StepExecutor::Gather(std::span<const std::byte> mine) {
  const ScopedPhase gather(Phase::kGather);
  return control_.Gather(mine);
}

}  // namespace lockstep
