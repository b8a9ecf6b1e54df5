#pragma once

#include <cstdint>
#include <span>
#include <unordered_map>
#include <vector>

#include "engine/request.h"
#include "layers/rows/top_logits.h"

namespace lockstep {

// What one request's controls make of logits. They concern few tokens: those that its lists name,
// and with penalties those that are in its text. Only these leave their ranks.
//
// In this order, as vLLM does: allowed and banned tokens, min_tokens (the ending tokens become
// impossible), logit_bias; repetition_penalty (of CTRL, arXiv:1909.05858: positive logits are
// divided, others multiplied; tokens of the prompt count), frequency_penalty and presence_penalty
// (OpenAI's: of the new tokens only).
// Not thread-safe: the engine's thread.
class LogitControls {
 public:
  // ending: the tokens that end the text. The parameters outlive the controls.
  LogitControls(const SamplingParams& params, std::span<const std::int32_t> prompt,
                std::span<const std::int32_t> ending);

  // The text goes on with this token.
  void Add(std::int32_t token);

  // The tokens that may not be chosen by their logits as they are; each once.
  std::vector<std::int32_t> Taken() const;
  // Whether all others are impossible.
  bool only_taken() const { return !params_.allowed_tokens.empty(); }
  // What becomes of these tokens' logits, in the order of their ids; impossible ones are left out.
  std::vector<Candidate> Adjust(std::span<const Candidate> taken) const;

 private:
  struct Token {
    std::int32_t id = 0;
    bool allowed = false;
    bool banned = false;
    bool ends = false;
    float bias = 0.0f;
    bool in_text = false;  // kept only where penalties ask
    std::int64_t generated = 0;
  };

  Token& Of(std::int32_t id);
  bool repeats() const { return params_.repetition_penalty != 1.0; }
  bool uses() const { return params_.frequency_penalty != 0.0 || params_.presence_penalty != 0.0; }
  bool IsImpossible(const Token& token) const;
  bool Changes(const Token& token) const;
  float Adjusted(const Token& token, float logit) const;

  const SamplingParams& params_;
  std::int64_t generated_ = 0;
  std::vector<Token> tokens_;
  std::unordered_map<std::int32_t, std::size_t> places_;  // in tokens_
};

}  // namespace lockstep
