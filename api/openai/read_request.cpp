#include "api/openai/read_request.h"

#include <string>
#include <utility>

#include "api/openai/chat/chat_reply.h"
#include "api/openai/completion_reply.h"
#include "api/openai/embedding_request.h"

namespace lockstep {

ReadRequest ReadCompletion(std::string_view body, const RequestRules& rules, ReplyParts parts) {
  auto request = std::make_shared<const CompletionRequest>(ParseCompletion(body, rules));
  auto reply = std::make_unique<CompletionReply>(*request, std::move(parts));
  return {std::move(request), std::move(reply)};
}

ReadRequest ReadChat(std::string_view body, const RequestRules& rules, const ChatSupport& chat,
                     ReplyParts parts) {
  auto request = std::make_shared<const ChatRequest>(ParseChat(body, rules, chat));
  auto reply = std::make_unique<ChatReply>(*request, std::move(parts));
  return {std::move(request), std::move(reply)};
}

ReadRequest ReadEmbedding(std::string_view body, const RequestRules& rules) {
  auto request = std::make_shared<const EmbeddingRequest>(ParseEmbedding(body, rules));
  auto reply = std::make_unique<EmbeddingReply>(*request, std::string(rules.model));
  return {std::move(request), std::move(reply)};
}

}  // namespace lockstep
