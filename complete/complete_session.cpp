#include "complete/complete_session.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <ostream>
#include <utility>

#include "api/requests.h"
#include "core/error.h"

namespace lockstep {
namespace {

constexpr std::string_view kHelp = R"(A line is continued by the model. Commands:
  /set NAME VALUE   a setting of the request, such as temperature 0.8, max_tokens 40, seed 3, stop "."
  /set              shows the settings
  /unset NAME       back to the server's default
  /more             continues the last answer
  /again            answers the last text again
  /help             shows this
  /quit             ends, as Ctrl-D does; Ctrl-C ends one answer
A line that ends in \ goes on in the next one; // begins a text with /.
)";

// What a person may set; the server ignores what it does not know. All are fields of a line of
// generate's input, too.
constexpr std::array kSettings = {
    "allowed_token_ids",
    "frequency_penalty",
    "ignore_eos",
    "logit_bias",
    "max_tokens",
    "min_p",
    "min_tokens",
    "presence_penalty",
    "priority",
    "repetition_penalty",
    "seed",
    "stop",
    "stop_token_ids",
    "temperature",
    "top_k",
    "top_p",
};

std::string_view Trimmed(std::string_view text) {
  const auto first = text.find_first_not_of(" \t");
  if (first == text.npos) return "";
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

// JSON, or else a text.
Json ValueOf(std::string_view text) {
  Json value = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  return value.is_discarded() ? Json(std::string(text)) : value;
}

void CheckName(std::string_view name) {
  if (std::find(kSettings.begin(), kSettings.end(), name) != kSettings.end()) return;
  throw BadInput("/set: there is no setting \"{}\"; expected one of {}", name,
                 fmt::join(kSettings, ", "));
}

// As for any request, so that a value is refused when it is set and not with every text after.
void CheckValue(const std::string& name, const Json& value) {
  if ((name == "top_k" || name == "seed") && value == -1) return;  // all, any: of requests alone
  ParseGenerateObject(Json{{"prompt", "text"}, {name, value}}, "/set", 0, Options{});
}

}  // namespace

CompleteSession::CompleteSession(Parts parts)
    : parts_(std::move(parts)), settings_(parts_.settings) {}

bool CompleteSession::Take(const std::string& line) {
  try {
    if (line.starts_with("//")) {
      Continue(line.substr(1));
    } else if (line.starts_with('/')) {
      const auto end = std::min(line.find(' '), line.size());
      return Command(std::string_view(line).substr(1, end - 1),
                     Trimmed(std::string_view(line).substr(end)));
    } else if (!line.empty()) {
      Continue(line);
    }
  } catch (const Error& error) {
    if (error.code() == ExitCode::kInternal) throw;
    failed_ = true;
    parts_.notes << error.what() << std::endl;
  }
  return true;
}

bool CompleteSession::Command(std::string_view name, std::string_view rest) {
  if (name == "quit" || name == "exit") return false;
  if (name == "help")
    parts_.notes << kHelp;
  else if (name == "set")
    rest.empty() ? ShowSettings() : Set(rest);
  else if (name == "unset")
    Unset(rest);
  else if (name == "again" && !prompt_.empty())
    Continue(std::string(prompt_));
  else if (name == "more" && !prompt_.empty())
    Continue(prompt_ + answer_);
  else if (name == "again" || name == "more")
    throw BadInput("/{}: there is no answer yet", name);
  else
    throw BadInput("there is no command /{}; see /help (// begins a text with /)", name);
  return true;
}

void CompleteSession::Set(std::string_view rest) {
  const auto end = std::min(rest.find_first_of(" ="), rest.size());
  const std::string name(rest.substr(0, end));
  const std::string_view value = end == rest.size() ? "" : Trimmed(rest.substr(end + 1));
  CheckName(name);
  if (value.empty()) throw BadInput("/set {}: expected a value", name);
  Json parsed = ValueOf(value);
  CheckValue(name, parsed);
  settings_[name] = std::move(parsed);
}

void CompleteSession::Unset(std::string_view name) {
  CheckName(name);
  settings_.erase(std::string(name));
}

void CompleteSession::ShowSettings() {
  for (const auto& [name, value] : settings_.items())
    parts_.notes << fmt::format("{} {}\n", name, DumpJson(value));
  parts_.notes << "all other settings: the server's defaults" << std::endl;
}

void CompleteSession::Continue(const std::string& text) {
  prompt_ = text;
  answer_.clear();
  Json request = settings_;
  request["model"] = parts_.model;
  request["prompt"] = text;
  try {
    const std::string finish = Ask(request);
    parts_.out << std::endl;
    if (finish.empty()) parts_.notes << "(ended by Ctrl-C; /more goes on)" << std::endl;
  } catch (...) {
    if (!answer_.empty()) parts_.out << std::endl;
    throw;
  }
}

// The finish reason. Where the server refuses a text for its length, as many tokens as there is
// room for are asked for.
std::string CompleteSession::Ask(const Json& request) {
  const auto show = [&](std::string_view piece) {
    answer_ += piece;
    parts_.out << piece << std::flush;
  };
  try {
    return parts_.client.Complete(request, show, parts_.stop);
  } catch (const Error& error) {
    Json shorter = request;
    if (error.code() != ExitCode::kBadInput || !Shorten(shorter)) throw;
    return parts_.client.Complete(std::move(shorter), show, parts_.stop);
  }
}

// False where the length is not what is wrong.
bool CompleteSession::Shorten(Json& request) {
  const Json asked = request.value("max_tokens", Json());
  const auto length = parts_.client.LengthOf(request["prompt"], parts_.stop);
  if (!length || !asked.is_number_integer()) return false;
  const std::int64_t room = length->context - length->tokens;
  if (room >= asked.get<std::int64_t>()) return false;
  if (room < 1)
    throw BadInput("the text has {} tokens and fills the model's context of {}; begin a new one",
                   length->tokens, length->context);
  parts_.notes << fmt::format("(the context of {} tokens has room for {})", length->context, room)
               << std::endl;
  request["max_tokens"] = room;
  return true;
}

}  // namespace lockstep
