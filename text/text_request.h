#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/decoding/beam_search.h"
#include "engine/request.h"

namespace lockstep {

// What is wanted of a text: a continuation, its log-probabilities, or a vector.
enum class Task : std::uint8_t { kGenerate, kScore, kEmbed };

// What a request had of its answer when its run was broken off.
struct ReachedText {
  struct Sample {
    std::vector<std::int32_t> tokens;
    std::vector<TokenLogprob> logprobs;  // as many, where its pieces brought them; else none
  };
  std::vector<Sample> samples;  // that are made, in their order; those that are missing had nothing
  std::vector<TokenLogprob> prompt_logprobs = {};
};

// One text. `tokens` is used when it is not empty, else `prompt` is tokenized. Of the other fields
// scores and vectors take only those that name them, `priority` and `client`.
struct TextRequest {
  Task task = Task::kGenerate;
  std::string prompt;
  std::vector<std::int32_t> tokens;
  SamplingParams sampling;
  // Ends the text before the first of these; may span tokens. Not looked for in the first
  // sampling.min_tokens tokens.
  std::vector<std::string> stop;
  bool include_stop = false;  // the stop string or stop token that ends the text is part of it
  std::int64_t n = 1;         // samples that are wanted
  std::int64_t best_of = 0;   // samples that are made, at least n; the likeliest n are kept. 0: n
  BeamOptions beams = {};     // num_beams above 1: beam search, which gives its n best
  std::int64_t priority = 0;
  ClientId client = kNobody;
  std::optional<std::int64_t> logprobs = {};  // as in Request
  std::optional<std::int64_t> prompt_logprobs = {};
  std::int64_t context_tokens = 0;   // kScore: so many at the beginning are given and not scored
  Pooling pooling = Pooling::kMean;  // kEmbed
  // kGenerate without beams: goes on behind this. The result is whole, and the same as that of a
  // run that was not broken off; pieces come of what is new.
  ReachedText reached = {};
  std::int64_t arrived = 0;  // as in Request; 0: when a RequestQueue gets it
};

constexpr std::int64_t kMostSamples = 1024;

// The samples that are made of a request's prompt.
std::int64_t SamplesMade(const TextRequest& request);

// Throws BadInput naming `where` when the numbers of samples make no sense together, or beams are
// asked for together with what beam search does not have.
void ValidateSamples(const TextRequest& request, std::string_view where);

// The engine's request for the first sample, without an id.
Request FirstSample(const TextRequest& request, std::vector<std::int32_t> tokens);

// The first setting of a request that beam search has no use for; null where there is none.
const char* BeamConflict(const TextRequest& request);

struct TextSample {
  std::string text;                  // the continuation, without what ends it (but include_stop)
  std::vector<std::int32_t> tokens;  // all that were generated
  FinishReason finish = FinishReason::kNone;
  std::vector<TokenLogprob> logprobs;  // of the tokens, when asked for
  std::optional<float> score;          // of beam search
  // Which of TextRequest::stop ended it, where its finish is kStop; else that was its last token.
  std::optional<std::size_t> stop = {};
};

// What one token adds to a sample, as it comes.
struct TokenPiece {
  std::string_view text;  // whole characters, never a part of a stop string; often empty
  std::int32_t token = 0;
  // When asked for; valid during the call. Of the prompt: with the first piece of a first sample.
  const TokenLogprob* logprob = nullptr;
  std::span<const TokenLogprob> prompt_logprobs = {};
  FinishReason finish = FinishReason::kNone;
  std::optional<std::size_t> stop = {};  // as in TextSample
};

// The same, owning what it holds: to be kept, or sent elsewhere.
struct KeptPiece {
  std::size_t sample = 0;
  std::string text = {};
  std::int32_t token = 0;
  std::optional<TokenLogprob> logprob = {};
  std::vector<TokenLogprob> prompt_logprobs = {};
  FinishReason finish = FinishReason::kNone;
  std::optional<std::size_t> stop = {};

  // Valid as long as this.
  TokenPiece View() const;
};
KeptPiece Keep(std::size_t sample, const TokenPiece& piece);

struct TextResult {
  // n of them (beam search: at most). With best_of the likeliest first (mean log-probability of a
  // token), else in the order of their random streams: the first is what n = 1 gives.
  std::vector<TextSample> samples;
  std::vector<TokenLogprob> prompt_logprobs;  // from the prompt's second token on, when asked for;
                                              // of kScore: of what is behind the context
  std::vector<float> embedding = {};          // of kEmbed: [d_model]
  std::string error = {};  // why there is no text, and no sample; empty where there is one
};

}  // namespace lockstep
