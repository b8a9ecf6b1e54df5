#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/json.h"
#include "text/text_request.h"
#include "tokenizer/tokenizer.h"

namespace lockstep {

// A token as it comes, kept for another thread (TokenPiece).
struct ReplyPiece {
  std::size_t prompt = 0;
  std::size_t sample = 0;
  std::string text;
  std::int32_t token = 0;
  std::optional<TokenLogprob> logprob;
  std::vector<TokenLogprob> prompt_logprobs;
  FinishReason finish = FinishReason::kNone;
};

// The answer to a request, as a whole or in chunks: one document for each kind of request.
// One for each request. For one thread at a time.
class ApiReply {
 public:
  virtual ~ApiReply() = default;

  // Of results in the order of the prompts.
  virtual std::string Whole(std::span<const TextResult> results) const = 0;
  // Data of one event of a stream. A sample's pieces come in their order.
  virtual std::string Chunk(const ReplyPiece& piece) = 0;
  // What goes before that chunk; empty: nothing.
  virtual std::string Opening(const ReplyPiece&) { return ""; }
  // The last one, where the request includes the usage.
  virtual std::string UsageChunk() const = 0;
};

// --- What replies are made of ---

// A logarithm as JSON, which has no infinities; clients know -9999.
Json LogprobNumber(float logprob);
Json FinishName(FinishReason finish);  // null: goes on
Json UsageOf(std::int64_t prompt_tokens, std::int64_t completion_tokens);
std::string TokenText(const Tokenizer& tokenizer, std::int32_t token);

}  // namespace lockstep
