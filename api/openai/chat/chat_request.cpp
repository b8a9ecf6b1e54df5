#include "api/openai/chat/chat_request.h"

#include <algorithm>

#include "api/openai/request_fields.h"
#include "core/error.h"

namespace lockstep {
namespace {

using OrderedJson = nlohmann::ordered_json;

// Empty lists count as not given.
bool IsGiven(const Json& object, const char* name) {
  const Json* value = FindField(object, name);
  return value != nullptr && !(value->is_array() && value->empty());
}

void RefuseTools(const Json& object) {
  const Json* choice = FindField(object, "tool_choice");
  const bool none = choice != nullptr && *choice == "none";
  for (const char* name : {"tools", "tool_choice", "functions", "function_call"})
    if (IsGiven(object, name) && !none)
      throw ApiError(400, fmt::format("{}: tools are not supported; leave it out", name), name);
}

void RefuseTemplate(const Json& object) {
  if (IsGiven(object, "chat_template"))
    throw ApiError(400,
                   "chat_template is not taken from requests; set server.chat_template to a file "
                   "where the server is started",
                   "chat_template");
}

void RefuseWhatIsMissing(const Json& object) {
  for (const char* name : {"audio", "documents", "best_of", "prompt_logprobs"})
    if (IsGiven(object, name))
      throw ApiError(400, fmt::format("{} is not supported for chats", name), name);
  if (FlagField(object, "echo")) throw ApiError(400, "echo is not supported for chats", "echo");
  const Json* modalities = FindField(object, "modalities");
  if (modalities != nullptr && *modalities != Json::array({"text"}))
    throw ApiError(400, "modalities: only [\"text\"] is supported", "modalities");
  RefuseUnsupported(object);
}

[[noreturn]] void RefuseMessage(std::size_t index, const std::string& what) {
  throw ApiError(400, fmt::format("messages[{}]: {}", index, what), "messages");
}

std::string PartText(const OrderedJson& part, std::size_t index) {
  if (part.is_string()) return part.get<std::string>();
  const bool object = part.is_object() && part.contains("type") && part["type"].is_string();
  if (!object)
    RefuseMessage(index, "content has a part without \"type\"; expected a text or a part");
  const auto type = part["type"].get<std::string>();
  if (type != "text")
    RefuseMessage(index, fmt::format("content has a part of type {}; only text is supported",
                                     ShownJson(Json(type))));
  if (!part.contains("text") || !part["text"].is_string())
    RefuseMessage(index, "content has a part of type text without \"text\"");
  return part["text"].get<std::string>();
}

// Parts are one text behind each other, a line each, but for templates that go through them.
OrderedJson ContentOf(const OrderedJson& content, std::size_t index, bool takes_parts) {
  if (content.is_string()) return content;
  if (!content.is_array()) RefuseMessage(index, "content is neither a text nor a list of parts");
  OrderedJson parts = OrderedJson::array();
  std::string text;
  for (const auto& part : content) {
    const std::string one = PartText(part, index);
    parts.push_back({{"type", "text"}, {"text", one}});
    text += (parts.size() > 1 ? "\n" : "") + one;
  }
  return takes_parts ? parts : OrderedJson(text);
}

// A call's arguments are JSON in a text for clients, and an object for templates.
void ReadToolCalls(OrderedJson& message, std::size_t index) {
  if (!message["tool_calls"].is_array()) RefuseMessage(index, "tool_calls is no list");
  for (auto& call : message["tool_calls"]) {
    if (!call.is_object() || !call.contains("function") || !call["function"].is_object())
      RefuseMessage(index, "tool_calls has one without \"function\"");
    OrderedJson& function = call["function"];
    if (!function.contains("arguments") || !function["arguments"].is_string()) continue;
    const auto text = function["arguments"].get<std::string>();
    ParseJson(text, fmt::format("messages[{}]: the arguments of a call", index));
    function["arguments"] = OrderedJson::parse(text);
  }
}

OrderedJson ReadMessage(const OrderedJson& given, std::size_t index, bool takes_parts) {
  if (!given.is_object()) RefuseMessage(index, "is no object");
  OrderedJson message = given;
  if (!message.contains("role") || !message["role"].is_string() ||
      message["role"].get_ref<const std::string&>().empty())
    RefuseMessage(index, "role is missing; expected \"system\", \"user\" or \"assistant\"");
  const bool calls = message.contains("tool_calls") && !message["tool_calls"].is_null();
  if (calls) ReadToolCalls(message, index);
  const bool has_content = message.contains("content") && !message["content"].is_null();
  const bool optional = calls || message["role"] == "assistant";
  if (!has_content && !optional) RefuseMessage(index, "content is missing");
  if (has_content) message["content"] = ContentOf(message["content"], index, takes_parts);
  return message;
}

OrderedJson ReadMessages(const OrderedJson& object, bool takes_parts) {
  const auto found = object.find("messages");
  if (found == object.end() || !found->is_array() || found->empty())
    throw ApiError(400, "messages is missing, no list or empty; expected at least one message",
                   "messages");
  OrderedJson messages = OrderedJson::array();
  for (std::size_t i = 0; i < found->size(); ++i)
    messages.push_back(ReadMessage((*found)[i], i, takes_parts));
  return messages;
}

OrderedJson ReadVariables(const OrderedJson& object) {
  const auto found = object.find("chat_template_kwargs");
  if (found == object.end() || found->is_null()) return OrderedJson::object();
  constexpr const char* kName = "chat_template_kwargs";
  if (!found->is_object())
    throw ApiError(400, fmt::format("{} is no object; expected the template's variables", kName),
                   kName);
  for (const char* taken : {"messages", "tools", "documents", "chat_template", "tokenize",
                            "conversation", "continue_final_message"})
    if (found->contains(taken))
      throw ApiError(400,
                     fmt::format("{} has \"{}\", which is no variable of a request", kName, taken),
                     kName);
  return *found;
}

Chat ReadChat(std::string_view body, const Json& object, bool takes_parts) {
  // In the order of the request, which templates can show.
  const OrderedJson ordered = OrderedJson::parse(body);
  Chat chat{.messages = ReadMessages(ordered, takes_parts),
            .add_generation_prompt = FlagField(object, "add_generation_prompt", true),
            .continue_final_message = FlagField(object, "continue_final_message"),
            .variables = ReadVariables(ordered)};
  if (chat.continue_final_message && chat.add_generation_prompt)
    throw ApiError(
        400,
        "continue_final_message goes with add_generation_prompt: false; the last message "
        "goes on, or a new one begins",
        "continue_final_message");
  return chat;
}

// Either an answer's logprobs with top_logprobs of the likeliest, or none.
void ReadLogprobs(const Json& object, Json& line) {
  const std::int64_t top = CountField(object, "top_logprobs").value_or(0);
  const bool wanted = FlagField(object, "logprobs");
  if (top != 0 && !wanted)
    throw ApiError(400, "top_logprobs goes with logprobs: true", "top_logprobs");
  line.erase("logprobs");
  if (wanted) line["logprobs"] = top;
}

FieldNames ChatFields() {
  FieldNames names = SamplingFields();
  names.emplace_back("max_tokens", "max_new_tokens");
  names.emplace_back("max_completion_tokens", "max_new_tokens");  // has the last word
  names.emplace_back("logprobs", "logprobs");
  names.emplace_back("top_logprobs", "logprobs");  // ReadLogprobs() has the last word
  return names;
}

CommonLine LineOfChat(const Json& object, const RequestRules& rules) {
  CommonLine common{.fields = LineOf(object, ChatFields(), rules), .text_field = "messages"};
  common.states_tokens = common.fields.contains("max_new_tokens");
  if (!common.states_tokens && !rules.defaults.stated.contains("sampling.max_new_tokens"))
    common.fields["max_new_tokens"] = rules.spec.context_tokens;
  UseBeams(object, common.fields);
  ReadLogprobs(object, common.fields);
  return common;
}

}  // namespace

ChatPrompt ReadChatPrompt(std::string_view body, const Json& object, const ChatSupport& support,
                          std::string_view remedy) {
  RefuseTemplate(object);
  RefuseTools(object);
  if (!support.chat_template) throw ApiError(400, fmt::format("{}; {}", support.why_not, remedy));
  const Chat chat = ReadChat(body, object, support.chat_template->takes_parts());
  ChatPrompt prompt{.text = support.chat_template->Render(chat)};
  if (prompt.text.empty())
    throw ApiError(400, "the chat template makes no text of the messages", "messages");
  if (chat.continue_final_message && chat.messages.back().contains("role"))
    prompt.role = chat.messages.back()["role"].get<std::string>();
  return prompt;
}

ChatRequest ParseChat(std::string_view body, const RequestRules& rules,
                      const ChatSupport& support) {
  ChatRequest request;
  ReadInClientsTerms(body, rules, {ChatFields(), "messages"}, [&](const Json& object) {
    RefuseWhatIsMissing(object);
    ReadStream(object, request);
    request.return_token_ids = FlagField(object, "return_token_ids");
    request.tokens_as_ids = FlagField(object, "return_tokens_as_token_ids");
    ChatPrompt prompt = ReadChatPrompt(
        body, object, support,
        rules.line ? "use /v1/completions, or set server.chat_template to a file with one"
                   : "use /v1/completions, or start the server with --chat-template FILE");
    request.role = std::move(prompt.role);
    CommonLine common = LineOfChat(object, rules);
    request.prompts.push_back(ReadPrompt(common, prompt.text, 0, rules));
    TextRequest& text = request.prompts.front().request;
    const std::int64_t room = rules.spec.context_tokens - std::ssize(text.tokens);
    if (!common.states_tokens)
      text.sampling.max_new_tokens = std::min(text.sampling.max_new_tokens, room);
    CheckStreamable(request);
  });
  return request;
}

}  // namespace lockstep
