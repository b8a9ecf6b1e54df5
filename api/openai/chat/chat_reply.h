#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "api/openai/api_reply.h"
#include "api/openai/chat/chat_request.h"

namespace lockstep {

// The answer to POST /v1/chat/completions. The request stays the caller's and outlives
// it. In a stream each choice begins with its role.
class ChatReply : public ApiReply {
 public:
  ChatReply(const ChatRequest& request, ReplyParts parts);

  std::string Whole(std::span<const TextResult> results) const override;
  std::string Chunk(std::size_t prompt, const KeptPiece& piece) override;
  std::string Opening(const KeptPiece& piece) override;
  std::string UsageChunk() const override;

 private:
  Json Head(const char* object) const;
  // A chunk with one choice, whose delta this is.
  Json ChunkOf(std::size_t sample, Json delta) const;
  Json Token(std::int32_t token, float logprob) const;
  Json Logprobs(std::span<const TokenLogprob> tokens) const;
  const TextRequest& text() const { return request_.prompts.front().request; }

  const ChatRequest& request_;
  ReplyParts parts_;
  std::vector<bool> begun_;  // choices
  std::int64_t prompt_tokens_;
  std::int64_t completion_tokens_ = 0;  // streamed so far
};

}  // namespace lockstep
