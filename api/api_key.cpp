#include "api/api_key.h"

#include <algorithm>
#include <cstdlib>
#include <sstream>
#include <utility>

#include "core/error.h"
#include "core/files/file.h"

namespace lockstep {
namespace {

// where: who has named the file.
std::string TextOfKeys(const std::string& file, const std::string& where) {
  try {
    return ReadFile(file);
  } catch (const Error& error) {
    throw Error(error.code(),
                fmt::format("{}: {}; expected API keys, one a line", where, error.what()));
  }
}

std::vector<std::string> LinesOf(const std::string& file, const std::string& where) {
  std::vector<std::string> lines;
  std::istringstream text(TextOfKeys(file, where));
  for (std::string line; std::getline(text, line);) {
    while (!line.empty() && (line.back() == '\r' || line.back() == ' ')) line.pop_back();
    if (!line.empty()) lines.push_back(std::move(line));
  }
  if (lines.empty()) throw BadInput("{}: is empty; expected API keys, one a line", file);
  return lines;
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

std::vector<std::string> ApiKeysOf(const Arguments& arguments) {
  const std::string& file = arguments.options.server.api_key_file;
  if (arguments.api_key && !file.empty())
    throw BadInput("--api-key and the file {} are both given; expected one of them", file);
  if (arguments.api_key) return {Checked(*arguments.api_key, "--api-key")};
  if (!file.empty()) {
    const auto stated = arguments.options.stated.find("server.api_key_file");
    std::vector<std::string> keys = LinesOf(
        file, stated == arguments.options.stated.end() ? "server.api_key_file" : stated->second);
    for (const std::string& key : keys) Checked(key, file);
    return keys;
  }
  const char* variable = std::getenv(kApiKeyVariable);
  if (variable == nullptr || *variable == '\0') return {};
  return {Checked(variable, kApiKeyVariable)};
}

std::string ApiKeyOf(const Arguments& arguments) {
  const std::vector<std::string> keys = ApiKeysOf(arguments);
  return keys.empty() ? "" : keys.front();
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
