#include "text/chat_template.h"

#include <array>
#include <optional>
#include <utility>

#include "core/error.h"
#include "text/jinja/values/python_text.h"

namespace lockstep {
namespace {

using OrderedJson = nlohmann::ordered_json;

// What stands behind the last message where it is to go on; the template may trim its last blank.
constexpr std::string_view kTag = "CONTINUE_FINAL_MESSAGE_TAG ";

// Names that messages' reasoning goes by; templates know the first, or the second.
constexpr std::array<const char*, 3> kReasoning{"reasoning_content", "thinking", "reasoning"};

// Without what is null, which templates know as missing.
OrderedJson WithoutNulls(const OrderedJson& message) {
  OrderedJson kept = OrderedJson::object();
  for (const auto& [key, value] : message.items())
    if (!value.is_null()) kept[key] = value;
  return kept;
}

OrderedJson WithReasoning(const OrderedJson& message) {
  for (const char* name : kReasoning) {
    if (!message.contains(name)) continue;
    OrderedJson named = OrderedJson::object();
    named["thinking"] = message[name];
    for (const auto& [key, value] : message.items()) named[key] = value;
    named["reasoning_content"] = message[name];
    return named;
  }
  return message;
}

OrderedJson Normalized(const OrderedJson& messages) {
  if (!messages.is_array() || messages.empty())
    throw BadInput("messages is no list, or an empty one; expected at least one message");
  OrderedJson normalized = OrderedJson::array();
  for (const auto& message : messages) {
    if (!message.is_object()) throw BadInput("messages has one that is no object");
    normalized.push_back(WithReasoning(WithoutNulls(message)));
  }
  return normalized;
}

// The text that is to go on, and the place where the tag goes.
OrderedJson& FinalText(OrderedJson& messages) {
  OrderedJson& last = messages.back();
  if (!last.contains("content"))
    throw BadInput("continue_final_message: the last message has no content to go on with");
  OrderedJson& content = last["content"];
  if (content.is_string()) return content;
  if (content.is_array())
    for (auto part = content.rbegin(); part != content.rend(); ++part)
      if (part->is_object() && part->contains("text") && (*part)["text"].is_string())
        return (*part)["text"];
  throw BadInput("continue_final_message: the last message has no text to go on with");
}

std::string CutAtTag(const std::string& rendered, const std::string& final_text) {
  const std::string_view tag = jinja::Strip(kTag, jinja::Side::kBoth);
  const auto at = rendered.rfind(tag);
  const std::string_view wanted = jinja::Strip(final_text, jinja::Side::kBoth);
  if (at == rendered.npos || rendered.find(wanted) == rendered.npos)
    throw BadInput(
        "continue_final_message: the chat template does not show the last message as it is, so "
        "there is nothing to go on with");
  std::string before = rendered.substr(0, at);
  if (rendered.compare(at, kTag.size(), kTag) == 0) return before;
  return std::string(jinja::Strip(before, jinja::Side::kRight));  // its white space was trimmed
}

void SetAll(const OrderedJson& object, jinja::Dict& variables) {
  for (const auto& [name, value] : object.items())
    variables.Set(jinja::Value(name), jinja::Value::FromJson(value));
}

// Whether a loop goes over some "content": "{% for part in message.content %}". A look at the text
// is enough for the templates that are published.
bool LoopsOverContent(std::string_view source) {
  for (auto at = source.find("{%"); at != source.npos; at = source.find("{%", at + 2)) {
    std::string_view tag = source.substr(at + 2, source.find("%}", at) - at - 2);
    while (!tag.empty() && (tag.front() == '-' || tag.front() == '+')) tag.remove_prefix(1);
    tag = jinja::Strip(tag, jinja::Side::kBoth);
    const auto in = tag.find(" in ");
    if (tag.starts_with("for ") && in != tag.npos && tag.find("content", in) != tag.npos)
      return true;
  }
  return false;
}

}  // namespace

ChatTemplate::ChatTemplate(const std::string& source, std::map<std::string, std::string> special)
    : parsed_(source, "chat template"),
      special_(std::move(special)),
      takes_parts_(LoopsOverContent(source)) {}

std::string ChatTemplate::Render(const Chat& chat) const {
  OrderedJson messages = Normalized(chat.messages);
  std::optional<std::string> final_text;
  if (chat.continue_final_message) {
    OrderedJson& text = FinalText(messages);
    final_text = text.get<std::string>();
    text = *final_text + std::string(kTag);
  }
  jinja::Dict variables;
  for (const auto& [role, text] : special_) variables.Set(jinja::Value(role), jinja::Value(text));
  OrderedJson given = OrderedJson::object();
  given["messages"] = std::move(messages);
  given["tools"] = nullptr;
  given["documents"] = nullptr;
  given["add_generation_prompt"] = chat.add_generation_prompt;
  try {
    SetAll(given, variables);
    SetAll(chat.variables, variables);
  } catch (const jinja::Fault& fault) {
    throw BadInput("chat: {}", fault.what());
  }
  const std::string rendered = parsed_.Render(variables);
  return final_text ? CutAtTag(rendered, *final_text) : rendered;
}

}  // namespace lockstep
