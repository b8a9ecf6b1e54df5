#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "tokenizer/tokenizer.h"

namespace lockstep {

// A context and what follows on it, as tokens behind each other.
struct ContextAndContinuation {
  std::vector<std::int32_t> tokens;
  std::int64_t context_tokens = 0;  // at the beginning
};

// As lm-evaluation-harness has it: white space at the context's end belongs to the continuation,
// both are encoded as one text, and the continuation is what follows on as many tokens as the
// context has alone. Throws BadInput where one of them is left without a token.
ContextAndContinuation EncodeContinuation(const Tokenizer& tokenizer, std::string_view context,
                                          std::string_view continuation);

}  // namespace lockstep
