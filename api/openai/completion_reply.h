#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "api/openai/api_reply.h"
#include "api/openai/completion_request.h"

namespace lockstep {

// The answer to POST /v1/completions. The request stays the caller's and outlives it.
class CompletionReply : public ApiReply {
 public:
  CompletionReply(const CompletionRequest& request, ReplyParts parts);

  std::string Whole(std::span<const TextResult> results) const override;
  std::string Chunk(std::size_t prompt, const KeptPiece& piece) override;
  std::string UsageChunk() const override;

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
  std::string NameOf(std::int32_t token) const;  // of a token in logprobs
  // "token_ids" of this choice or chunk, with those of the prompt where `first`, and
  // "prompt_logprobs": [null, {"ID": {"logprob", "rank", "decoded_token"}, ...}, ...].
  void AddIds(std::size_t prompt, std::span<const std::int32_t> tokens, bool first,
              Json& choice) const;
  void AddPromptLogprobs(std::span<const TokenLogprob> prompt_logprobs, Json& choice) const;
  Json Head() const;
  void Add(const TokenLogprob& one, std::int64_t& offset, Logprobs& to) const;
  void AddPrompt(std::size_t prompt, std::span<const TokenLogprob> logprobs, std::int64_t& offset,
                 Logprobs& to) const;
  Json WholeChoice(std::size_t prompt, const TextSample& sample,
                   std::span<const TokenLogprob> prompt_logprobs) const;
  bool has_logprobs() const;
  FinishReason FinishOf(FinishReason finish) const;

  const CompletionRequest& request_;
  ReplyParts parts_;
  std::vector<Choice> choices_;
  std::int64_t prompt_tokens_ = 0;
  std::int64_t completion_tokens_ = 0;  // streamed so far
};

}  // namespace lockstep
