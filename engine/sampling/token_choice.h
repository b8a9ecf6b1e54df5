#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "engine/request.h"
#include "engine/sampling/logit_controls.h"
#include "layers/rows/row_question.h"

namespace lockstep {

// The choice of one request's next token, as a dialogue with the ranks that hold the logits: a
// question, its answer, and now and then another question. docs/guide/sampling.md says why few
// answers are enough. Not thread-safe: the engine's thread.
class TokenChoice {
 public:
  // `position` is the new token's place in its sequence. Request and controls outlive the choice.
  TokenChoice(const Request& request, const LogitControls& controls, std::int64_t position);

  // What is to be asked next of a row of the step's logits.
  const RowQuestion& question() const { return question_; }
  RowQuestion& question() { return question_; }

  // Takes the answer. Whether the token is chosen; else there is another question.
  bool Take(RowAnswer answer);

  // The chosen token with its log-probability where the request asks; or why there is none.
  TokenEvent Event() const;

 private:
  enum class Kind : std::uint8_t { kLikeliest, kList, kRace };

  bool Begin();
  bool ChooseFromList();
  bool TakeLeaders(const std::vector<Candidate>& leaders);
  bool TakeMasses(const std::vector<double>& masses);
  bool Choose(const Candidate& token);
  bool Decide();
  bool AskMasses();
  bool AskAhead();
  void AskLeaders();
  float LogitOfModel(const Candidate& one) const;
  TokenLogprob Logprob() const;

  const Request& request_;
  const SamplingParams& params_;
  const LogitControls& controls_;
  Kind kind_;
  NoiseKey key_;
  RowQuestion question_;
  std::optional<RowAnswer> first_;   // the answer to the first question
  std::vector<Candidate> adjusted_;  // of the taken tokens
  std::optional<Candidate> likeliest_;
  std::vector<Candidate> open_;  // leaders of the race that may be left, in its order
  Candidate ahead_;              // the likeliest of the leaders
  std::optional<Candidate> chosen_;
};

// What has to be asked of a row behind a token of the prompt, and what it says of the token that
// follows.
RowQuestion QuestionForPrompt(const Request& request, std::int32_t following);
TokenLogprob PromptLogprob(const RowAnswer& row, const Request& request, std::int32_t following);

}  // namespace lockstep
