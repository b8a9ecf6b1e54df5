#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "engine/engine.h"
#include "tokenizer/tokenizer.h"

namespace lockstep {

// One text to continue. `tokens` is used when it is not empty, else `prompt` is tokenized.
struct TextRequest {
  std::string prompt;
  std::vector<std::int32_t> tokens;
  SamplingParams sampling;
  std::vector<std::string> stop;  // ends the text before the first of these; may span tokens
};

struct TextResult {
  std::string text;                  // the continuation, without the stop string and the end token
  std::vector<std::int32_t> tokens;  // all that were generated
  FinishReason finish = FinishReason::kNone;
};

// Text on top of the engine (rank 0 only): tokenizes, streams characters, finds stop strings.
class TextSession {
 public:
  // Both stay the caller's and outlive the session.
  TextSession(Engine& engine, const Tokenizer& tokenizer);

  struct Callbacks {
    // New text of request `index`: whole characters, never a part of a stop string.
    std::function<void(std::size_t index, std::string_view text)> on_text;
    // A request has ended. Requests end in any order.
    std::function<void(std::size_t index, const TextResult& result)> on_result;
    // Asked between steps: true ends everything early (Ctrl-C).
    std::function<bool()> interrupted;
  };

  // Runs all requests, many at a time. Returns false when it was interrupted.
  bool Run(const std::vector<TextRequest>& requests, const Callbacks& callbacks);

 private:
  Engine& engine_;
  const Tokenizer& tokenizer_;
};

}  // namespace lockstep
