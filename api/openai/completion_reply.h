#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "api/openai/completion_request.h"
#include "core/json.h"
#include "text/text_request.h"

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

// The answer to POST /v1/completions, as a whole or in chunks. One for each request. The request
// and the tokenizer stay the caller's and outlive it. For one thread at a time.
class CompletionReply {
 public:
  struct Parts {
    const CompletionRequest& request;
    const Tokenizer& tokenizer;
    std::string id;            // "cmpl-…"
    std::string model;         // the name by which it is served
    std::int64_t created = 0;  // seconds since 1970
  };
  explicit CompletionReply(Parts parts);

  // Of results in the order of the prompts.
  std::string Whole(std::span<const TextResult> results) const;

  // Data of one event of a stream. A sample's pieces come in their order.
  std::string Chunk(const ReplyPiece& piece);
  // The last one, where the request includes the usage.
  std::string UsageChunk() const;

 private:
  // Arrays of one choice, or of a chunk of it.
  struct Logprobs {
    Json tokens = Json::array(), token_logprobs = Json::array();
    Json top_logprobs = Json::array(), text_offset = Json::array();
  };
  struct Choice {
    std::int64_t text_offset = 0;  // in characters, behind what was sent
    bool begun = false;
  };

  static Json ToJson(Logprobs arrays);
  Json Head() const;
  Json Usage(std::int64_t prompt_tokens, std::int64_t completion_tokens) const;
  std::string TextOf(std::int32_t token) const;
  void Add(const TokenLogprob& one, std::int64_t& offset, Logprobs& to) const;
  void AddPrompt(std::size_t prompt, std::span<const TokenLogprob> logprobs, std::int64_t& offset,
                 Logprobs& to) const;
  Json WholeChoice(std::size_t prompt, const TextSample& sample,
                   std::span<const TokenLogprob> prompt_logprobs) const;
  bool has_logprobs() const;

  Parts parts_;
  std::vector<Choice> choices_;
  std::int64_t prompt_tokens_ = 0;
  std::int64_t completion_tokens_ = 0;  // streamed so far
};

}  // namespace lockstep
