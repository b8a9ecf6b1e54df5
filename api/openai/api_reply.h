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

// What replies are made with. The tokenizer stays the caller's and outlives them.
struct ReplyParts {
  const Tokenizer& tokenizer;
  std::string id;            // "cmpl-…", "chatcmpl-…"
  std::string model;         // the name by which it is served
  std::int64_t created = 0;  // seconds since 1970
};

// The answer to a request, as a whole or in chunks: one document for each kind of request.
// One for each request. For one thread at a time.
class ApiReply {
 public:
  virtual ~ApiReply() = default;

  // Of results in the order of the prompts.
  virtual std::string Whole(std::span<const TextResult> results) const = 0;
  // Data of one event of a stream. A sample's pieces come in their order.
  virtual std::string Chunk(std::size_t prompt, const KeptPiece& piece) = 0;
  // What goes before that chunk; empty: nothing.
  virtual std::string Opening(const KeptPiece&) { return ""; }
  // The last one, where the request includes the usage.
  virtual std::string UsageChunk() const = 0;
};

// --- What replies are made of ---

// A logarithm as JSON, which has no infinities; clients know -9999.
Json LogprobNumber(float logprob);
Json FinishName(FinishReason finish);  // null: goes on
// What of the request has ended a text, as vLLM has it: the stop string, or the id of the stop
// token, which is `last`; null where it was something else. stop: as in TextSample.
Json StopReason(const TextRequest& request, FinishReason finish, std::optional<std::size_t> stop,
                std::int32_t last);
Json UsageOf(std::int64_t prompt_tokens, std::int64_t completion_tokens);
std::string TokenText(const Tokenizer& tokenizer, std::int32_t token);

}  // namespace lockstep
