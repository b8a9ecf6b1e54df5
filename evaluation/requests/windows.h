#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "evaluation/requests/prefix_token.h"
#include "evaluation/tasks/tasks.h"
#include "tokenizer/tokenizer.h"

namespace lockstep {

// A text as tokens in pieces that fit a model's context: of each, how likely its continuation is
// behind its context. A context is never empty.
struct Window {
  std::vector<std::int32_t> context;
  std::vector<std::int32_t> continuation;

  bool operator==(const Window&) const = default;
};

// Of a model and its tokenizer, what cutting texts needs.
struct TokenRules {
  const Tokenizer& tokenizer;
  const PrefixToken& prefix;
  std::int64_t context_tokens = 0;  // that the model reads at once
};

// As lm-evaluation-harness has it: white space at the context's end is the continuation's, both are
// encoded as one text, an empty context is the prefix token, and what is too long loses tokens at
// its beginning. The model reads all tokens but the last. A continuation alone that does not fit,
// where the harness gives up, is cut into several windows. Throws BadInput where no token is left
// to score.
std::vector<Window> CutPair(const TextPair& pair, const TokenRules& rules);

// A whole text: each token once, behind as many others of its window as there are, the first
// window's behind the prefix token, the others behind the last token of the one before.
std::vector<Window> RollingWindows(std::span<const std::int32_t> tokens, std::int32_t prefix,
                                   std::int64_t context_tokens);

}  // namespace lockstep
