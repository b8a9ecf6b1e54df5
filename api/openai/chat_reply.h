#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "api/openai/api_reply.h"
#include "api/openai/chat_request.h"

namespace lockstep {

// The answer to POST /v1/chat/completions. The request and the tokenizer stay the caller's and
// outlive it. In a stream each choice begins with its role.
class ChatReply : public ApiReply {
 public:
  struct Parts {
    const ChatRequest& request;
    const Tokenizer& tokenizer;
    std::string id;            // "chatcmpl-…"
    std::string model;         // the name by which it is served
    std::int64_t created = 0;  // seconds since 1970
  };
  explicit ChatReply(Parts parts);

  std::string Whole(std::span<const TextResult> results) const override;
  std::string Chunk(const ReplyPiece& piece) override;
  std::string Opening(const ReplyPiece& piece) override;
  std::string UsageChunk() const override;

 private:
  Json Head(const char* object) const;
  // A chunk with one choice, whose delta this is.
  Json ChunkOf(std::size_t sample, Json delta) const;
  Json Token(std::int32_t token, float logprob) const;
  Json Logprobs(std::span<const TokenLogprob> tokens) const;
  const TextRequest& text() const { return parts_.request.prompts.front().request; }

  Parts parts_;
  std::vector<bool> begun_;  // choices
  std::int64_t prompt_tokens_;
  std::int64_t completion_tokens_ = 0;  // streamed so far
};

}  // namespace lockstep
