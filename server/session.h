#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "engine/engine.h"
#include "tokenizer/tokenizer.h"

namespace lockstep {

// One text to continue. `tokens` is used when it is not empty, else `prompt` is tokenized.
struct TextRequest {
  std::string prompt;
  std::vector<std::int32_t> tokens;
  SamplingParams sampling;
  // Ends the text before the first of these; may span tokens. Not looked for in the first
  // sampling.min_tokens tokens.
  std::vector<std::string> stop;
  std::int64_t n = 1;        // samples that are wanted
  std::int64_t best_of = 0;  // samples that are made, at least n; the likeliest n are kept. 0: n
  std::int64_t priority = 0;
  std::optional<std::int64_t> logprobs = {};  // as in Request
  std::optional<std::int64_t> prompt_logprobs = {};
};

// Throws BadInput naming `where` when the numbers of samples make no sense together.
void ValidateSamples(const TextRequest& request, std::string_view where);

struct TextSample {
  std::string text;                  // the continuation, without the stop string and the end token
  std::vector<std::int32_t> tokens;  // all that were generated
  FinishReason finish = FinishReason::kNone;
  std::vector<TokenLogprob> logprobs;  // of the tokens, when asked for
};

struct TextResult {
  // n of them. With best_of the likeliest first (mean log-probability of a token), else in the
  // order of their random streams: the first is what n = 1 gives.
  std::vector<TextSample> samples;
  std::vector<TokenLogprob> prompt_logprobs;  // from the prompt's second token on, when asked for
};

// Text on top of the engine (rank 0 only): tokenizes, streams characters, finds stop strings,
// makes several samples of one prompt.
class TextSession {
 public:
  struct Callbacks {
    // New text of a sample: whole characters, never a part of a stop string.
    std::function<void(std::int64_t id, std::size_t sample, std::string_view text)> on_text = {};
    // A request has ended. Requests end in any order.
    std::function<void(std::int64_t id, TextResult result)> on_result = {};
  };

  // Engine and tokenizer stay the caller's and outlive the session.
  TextSession(Engine& engine, const Tokenizer& tokenizer, Callbacks callbacks);
  ~TextSession();
  TextSession(const TextSession&) = delete;
  TextSession& operator=(const TextSession&) = delete;

  // Queues a request under an id of the caller's. Throws BadInput; then nothing is queued.
  void Submit(std::int64_t id, const TextRequest& request);
  // Ends a request; there will be no callback for it.
  void Cancel(std::int64_t id);

  // One step of the engine, with the callbacks for what it gave.
  void Step();

  std::size_t in_flight() const { return flights_.size(); }

 private:
  struct Sample;
  struct Flight;

  void Take(const TokenEvent& event);
  void FinishFlight(std::int64_t id);

  Engine& engine_;
  const Tokenizer& tokenizer_;
  Callbacks callbacks_;
  std::unordered_map<std::int64_t, std::unique_ptr<Flight>> flights_;
  // The engine's requests are samples: which sample of which flight each one is.
  std::unordered_map<std::int64_t, std::pair<std::int64_t, std::size_t>> samples_;
  std::int64_t next_sample_ = 0;
};

}  // namespace lockstep
