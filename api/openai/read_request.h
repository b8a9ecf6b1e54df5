#pragma once

#include <memory>
#include <string_view>

#include "api/openai/api_reply.h"
#include "api/openai/chat/chat_request.h"

namespace lockstep {

// A request for texts or vectors that was read, and what makes its answer.
struct ReadRequest {
  std::shared_ptr<const ApiRequest> request;
  std::unique_ptr<ApiReply> reply;
};

// The bodies of POST /v1/completions, /v1/chat/completions and /v1/embeddings. Throw ApiError.
ReadRequest ReadCompletion(std::string_view body, const RequestRules& rules, ReplyParts parts);
ReadRequest ReadChat(std::string_view body, const RequestRules& rules, const ChatSupport& chat,
                     ReplyParts parts);
ReadRequest ReadEmbedding(std::string_view body, const RequestRules& rules);

}  // namespace lockstep
