#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace lockstep {

// How the next token is chosen from the logits. Defaults are greedy.
struct SamplingParams {
  std::int64_t max_new_tokens = 128;
  double temperature = 0.0;  // 0: the most likely token, always
  std::int64_t top_k = 0;    // 0: off
  double top_p = 1.0;        // 1: off
  // Random numbers are a pure function of (seed, stream, position): the same on any rank count,
  // in any batch, after any restart.
  std::uint64_t seed = 0;
  std::uint64_t stream = 0;
  bool ignore_eos = false;
};

// Throws BadInput naming `where`, the field, what was found and what was expected.
void Validate(const SamplingParams& params, std::string_view where);

struct Request {
  std::int64_t id = 0;  // the caller's; unique among the requests in flight
  std::vector<std::int32_t> prompt;
  SamplingParams sampling;
};

enum class FinishReason : std::uint8_t { kNone, kLength, kStop, kEos };

// "length", "stop", "eos", or "" while a request goes on.
std::string_view Name(FinishReason reason);

// One token of one request. The end token itself is reported too (its finish is kEos).
struct TokenEvent {
  std::int64_t request = 0;
  std::int32_t token = 0;
  FinishReason finish = FinishReason::kNone;
};

// The log-probabilities of a given text.
struct Score {
  // Natural log of the probability of tokens[i + 1] after tokens[0..i]; size tokens - 1.
  std::vector<float> logprobs;
  // The most likely token after tokens[0..i]; size tokens - 1.
  std::vector<std::int32_t> top;
};

}  // namespace lockstep
