#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "api/openai/api_request.h"
#include "text/chat_template.h"

namespace lockstep {

// What a model's folder, or the configuration, says about chats: a template, or why there is none.
struct ChatSupport {
  std::optional<ChatTemplate> chat_template = {};
  std::string why_not = "the model has no chat template";  // for clients
  std::string warning = {};                                // for the log; empty: all is well
};

// What a template makes of messages.
struct ChatPrompt {
  std::string text;
  std::string role = "assistant";  // of the answer
};

// The prompt of a request with "messages" and what goes with them. object: the body, which is one
// of JSON. remedy: what a client does where there is no template. Throws ApiError(400), also for
// tools and a template in the request, and BadInput for messages that the template refuses.
ChatPrompt ReadChatPrompt(std::string_view body, const Json& object, const ChatSupport& support,
                          std::string_view remedy);

// POST /v1/chat/completions: one prompt, which the chat template makes of the messages.
struct ChatRequest : ApiRequest {
  std::string role = "assistant";  // of the answer
  // As vLLM has them: the ids of all tokens, and tokens of logprobs as "token_id:ID".
  bool return_token_ids = false;
  bool tokens_as_ids = false;
};

// As OpenAI defined it, with what clients of vLLM send beside it: add_generation_prompt,
// continue_final_message, chat_template_kwargs. Where no number of new tokens is asked for, it is
// what the context leaves. Throws ApiError with the status 400 or 404; 400 also for what is not
// supported: tools, formats, contents that are no text, a template in the request.
ChatRequest ParseChat(std::string_view body, const RequestRules& rules, const ChatSupport& support);

}  // namespace lockstep
