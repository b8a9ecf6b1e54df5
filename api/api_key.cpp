#include "api/api_key.h"

#include <algorithm>
#include <cstdlib>

#include "core/error.h"
#include "core/files/file.h"

namespace lockstep {
namespace {

std::string FirstLineOf(const std::string& file) {
  const std::string text = ReadFile(file);
  std::string key = text.substr(0, text.find('\n'));
  while (!key.empty() && (key.back() == '\r' || key.back() == ' ')) key.pop_back();
  if (key.empty()) throw BadInput("{}: is empty; expected the API key in its first line", file);
  return key;
}

// The key itself is in no message: those are kept in logs.
std::string Checked(std::string key, std::string_view where) {
  const auto is_control = [](char c) { return static_cast<unsigned char>(c) < ' ' || c == '\x7f'; };
  if (key.empty()) throw BadInput("{}: is empty; expected the API key", where);
  if (std::ranges::any_of(key, is_control))
    throw BadInput("{}: has a control character; expected what a header of HTTP can carry", where);
  return key;
}

}  // namespace

std::string ApiKeyOf(const Arguments& arguments) {
  const std::string& file = arguments.options.server.api_key_file;
  if (arguments.api_key && !file.empty())
    throw BadInput("--api-key and the file {} are both given; expected one of them", file);
  if (arguments.api_key) return Checked(*arguments.api_key, "--api-key");
  if (!file.empty()) return Checked(FirstLineOf(file), file);
  const char* variable = std::getenv(kApiKeyVariable);
  if (variable == nullptr || *variable == '\0') return "";
  return Checked(variable, kApiKeyVariable);
}

std::vector<std::string> WithoutApiKey(std::span<const std::string> given) {
  std::vector<std::string> words;
  for (std::size_t i = 0; i < given.size(); ++i) {
    std::string name = given[i].substr(0, given[i].find('='));
    std::ranges::replace(name, '_', '-');
    if (name != "--api-key")
      words.push_back(given[i]);
    else if (name.size() == given[i].size())
      ++i;  // the key
  }
  return words;
}

}  // namespace lockstep
