#include "api/api_key.h"

#include "core/error.h"
#include "core/files/file.h"

namespace lockstep {

std::string ReadApiKey(const std::string& file) {
  if (file.empty()) return "";
  const std::string text = ReadFile(file);
  std::string key = text.substr(0, text.find('\n'));
  while (!key.empty() && (key.back() == '\r' || key.back() == ' ')) key.pop_back();
  if (key.empty()) throw BadInput("{}: is empty; expected the API key in its first line", file);
  return key;
}

}  // namespace lockstep
