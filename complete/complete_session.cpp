#include "complete/complete_session.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <ostream>
#include <utility>

#include "core/error.h"

namespace lockstep {
namespace {

constexpr std::string_view kHelp = R"(A line is continued by the model. Commands:
  /set NAME VALUE   a setting of the request, such as temperature 0.8, max_tokens 40, seed 3, stop "."
  /set              shows the settings
  /unset NAME       what the server has by default
  /more             goes on behind the last answer
  /again            answers the last text anew
  /help             shows this
  /quit             ends, as Ctrl-D does; Ctrl-C ends one answer
A line that ends in \ goes on in the next one; // begins a text with /.
)";

// What a person may set; the server ignores what it does not know.
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

}  // namespace

CompleteSession::CompleteSession(Parts parts)
    : parts_(std::move(parts)), settings_(Json::object({{"max_tokens", parts_.most_tokens}})) {}

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
  settings_[name] = ValueOf(value);
}

void CompleteSession::Unset(std::string_view name) {
  CheckName(name);
  settings_.erase(std::string(name));
}

void CompleteSession::ShowSettings() {
  for (const auto& [name, value] : settings_.items())
    parts_.notes << fmt::format("{} {}\n", name, DumpJson(value));
  parts_.notes << "everything else is as the server has it" << std::endl;
}

void CompleteSession::Continue(const std::string& text) {
  prompt_ = text;
  answer_.clear();
  Json request = settings_;
  request["model"] = parts_.model;
  request["prompt"] = text;
  const auto show = [&](std::string_view piece) {
    answer_ += piece;
    parts_.out << piece << std::flush;
  };
  try {
    const std::string finish = parts_.client.Complete(std::move(request), show, parts_.stop);
    parts_.out << std::endl;
    if (finish.empty()) parts_.notes << "(ended by Ctrl-C; /more goes on)" << std::endl;
  } catch (...) {
    if (!answer_.empty()) parts_.out << std::endl;
    throw;
  }
}

}  // namespace lockstep
