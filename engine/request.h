#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/scheduling/fair_turns.h"

namespace lockstep {

// The ranges of controls outside which numbers overflow or nothing is left to choose from.
inline constexpr double kLeastTemperature = 1e-6, kMostTemperature = 1e6;
inline constexpr double kLeastTopP = 1e-9;
inline constexpr double kLeastRepetition = 1e-3, kMostRepetition = 1e3;

// How the next token is chosen from the logits. Defaults are greedy. docs/guide/sampling.md says in
// which order the controls work and whose semantics each one has.
struct SamplingParams {
  std::int64_t max_new_tokens = 128;
  double temperature = 0.0;  // 0: the most likely token, always; else kLeastTemperature or more
  std::int64_t top_k = 0;    // 0: off
  double top_p = 1.0;        // 1: off
  double min_p = 0.0;        // 0: off
  // Random numbers are a pure function of (seed, stream, position): the same on any rank count,
  // in any batch, after any restart.
  std::uint64_t seed = 0;
  std::uint64_t stream = 0;
  bool ignore_eos = false;

  double repetition_penalty = 1.0;  // 1: off; divides and multiplies; prompt and new tokens
  double presence_penalty = 0.0;    // 0: off; subtracts once; new tokens
  double frequency_penalty = 0.0;   // 0: off; subtracts for each time; new tokens
  std::vector<std::pair<std::int32_t, double>> logit_bias = {};  // added
  std::vector<std::int32_t> allowed_tokens = {};                 // empty: all
  std::vector<std::int32_t> banned_tokens = {};
  std::int64_t min_tokens = 0;                 // before these no end and no stop token is chosen
  std::vector<std::int32_t> stop_tokens = {};  // end the text, as the end token does
};

// Throws BadInput naming `where`, the field, what was found and what was expected.
void Validate(const SamplingParams& params, std::string_view where);

// How the hidden states of a text's tokens become one vector.
enum class Pooling : std::uint8_t { kMean, kLast };

struct Request {
  std::int64_t id = 0;  // the caller's; unique among the requests in flight
  std::vector<std::int32_t> prompt;
  // New tokens that it has already, from a run that did not come to its end: it goes on behind
  // them with the same tokens as that run would have, and gives events of later ones only.
  std::vector<std::int32_t> reached = {};
  SamplingParams sampling = {};
  std::int64_t priority = 0;  // lower ones come earlier (engine/scheduling/scheduler.h)
  ClientId client = kNobody;  // with whose other requests it shares its turns
  // Reports log-probabilities, and so many of the likeliest tokens (0: none) at each place: of new
  // tokens, and of the prompt's. With prompt_logprobs max_new_tokens may be 0.
  std::optional<std::int64_t> logprobs = {};
  std::optional<std::int64_t> prompt_logprobs = {};
  // Of prompt_logprobs: so many tokens at the prompt's beginning are given and not scored, nor is
  // the first one ever.
  std::int64_t context_tokens = 0;

  // When it was handed in, in nanoseconds of the steady clock; 0: when the engine gets it. For
  // those who watch (core/timing/phases.h), and for nothing else.
  std::int64_t arrived = 0;

  // After its last event it is held until Engine::Branch() or Cancel().
  bool branches = false;

  // Wants the hidden state of the prompt (EngineOptions::hidden_layer) and no new tokens.
  std::optional<Pooling> embedding = {};

  bool only_scores() const { return prompt_logprobs && sampling.max_new_tokens == 0; }
  // Whether nothing follows on the prompt.
  bool generates() const { return !embedding && !only_scores(); }
};

enum class FinishReason : std::uint8_t { kNone, kLength, kStop, kEos, kError };

// "length", "stop", "eos", "error", or "" while a request goes on.
std::string_view Name(FinishReason reason);

// How likely the model found a token at its place: natural logarithms of its probability among
// all rows of the vocabulary, before any sampling control.
struct TokenLogprob {
  std::int32_t token = 0;
  float logprob = 0.0f;
  std::int32_t top = 0;  // the most likely of all rows
  // As many as were asked for, the likeliest first. Padding of the vocabulary is not among them.
  std::vector<std::pair<std::int32_t, float>> likeliest;
};

// One token of one request. The end or stop token itself is reported too (its finish is kEos or
// kStop).
struct TokenEvent {
  std::int64_t request = 0;
  std::int32_t token = -1;  // -1: of a request that generates nothing
  FinishReason finish = FinishReason::kNone;
  std::optional<TokenLogprob> logprob = {};        // when asked for
  std::vector<TokenLogprob> prompt_logprobs = {};  // with the first event, of what is scored
  std::vector<float> embedding = {};               // [d_model] when asked for
  std::string error = {};                          // why it cannot go on, with kError
};

}  // namespace lockstep
