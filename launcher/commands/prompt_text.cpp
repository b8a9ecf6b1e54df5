#include "launcher/commands/prompt_text.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <optional>
#include <string_view>

#include "core/error.h"
#include "core/files/file.h"
#include "runtime/standard_streams.h"
#include "runtime/world/world.h"
#include "tokenizer/unicode/utf8.h"

namespace lockstep {
namespace {

std::string StandardInputText() {
  std::string text;
  char part[1 << 16];
  for (;;) {
    const ssize_t got = ::read(STDIN_FILENO, part, sizeof(part));
    if (got == 0) return text;
    if (got < 0 && errno == EINTR) continue;
    if (got < 0)
      throw EnvironmentError("--prompt -: standard input cannot be read: {}", std::strerror(errno));
    text.append(part, static_cast<std::size_t>(got));
  }
}

// Makes a text standard input, from its beginning.
void SetStandardInput(std::string_view text) {
  const int file = ::memfd_create("lockstep-prompt", MFD_CLOEXEC);
  if (file < 0) throw EnvironmentError("--prompt -: no memory for it: {}", std::strerror(errno));
  WriteDescriptor(file, text, "--prompt -: no memory for it");
  if (::lseek(file, 0, SEEK_SET) != 0 || ::dup2(file, STDIN_FILENO) != STDIN_FILENO)
    throw EnvironmentError("--prompt -: it cannot be given to the ranks: {}", std::strerror(errno));
  ::close(file);
}

// What follows a backslash that stands for one character.
std::optional<char> SimpleEscape(char c) {
  switch (c) {
    case 'n': return '\n';
    case 't': return '\t';
    case 'r': return '\r';
    case '0': return '\0';
    case '\\':
    case '"':
    case '\'': return c;
    default: return std::nullopt;
  }
}

// Exactly so many hexadecimal digits.
std::optional<std::uint32_t> HexDigits(std::string_view text, std::size_t count) {
  std::uint32_t value = 0;
  const char* end = text.data() + std::min(count, text.size());
  const auto [stop, error] = std::from_chars(text.data(), end, value, 16);
  if (text.size() < count || error != std::errc() || stop != end) return std::nullopt;
  return value;
}

bool IsSurrogate(std::uint32_t code) { return code >= 0xD800 && code <= 0xDFFF; }

}  // namespace

std::string WithoutEscapes(const std::string& text, const std::string& flag) {
  std::string plain;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\') {
      plain += text[i];
      continue;
    }
    const std::string_view rest = std::string_view(text).substr(i + 1);
    const char kind = rest.empty() ? ' ' : rest.front();
    if (const auto character = SimpleEscape(kind)) {
      plain += *character;
      ++i;
      continue;
    }
    const std::size_t digits = kind == 'x' ? 2 : 4;
    const auto code = kind == 'x' || kind == 'u' ? HexDigits(rest.substr(1), digits) : std::nullopt;
    if (!code || (kind == 'u' && IsSurrogate(*code)))
      throw BadInput(
          "{}: \"\\{}\" at byte {} is no escape; expected \\n, \\t, \\r, \\0, \\\\, \\\", \\', "
          "\\xHH or \\uHHHH, or no --escape",
          flag, rest.substr(0, rest.empty() || (kind != 'x' && kind != 'u') ? 1 : 1 + digits), i);
    if (kind == 'x')
      plain += static_cast<char>(*code);
    else
      AppendUtf8(static_cast<char32_t>(*code), plain);
    i += 1 + digits;
  }
  return plain;
}

std::string PromptText(const Arguments& arguments) {
  const std::string& file = arguments.prompt_file;
  const bool is_stream = file == "-";
  const std::string flag = file.empty() ? "--prompt"
                           : is_stream  ? "--prompt -"
                                        : "--prompt-file " + file;
  std::string text;
  if (file.empty()) {
    text = *arguments.prompt;
  } else {
    text = is_stream ? StandardInputText() : ReadFile(file);
    if (is_stream && !InsideWorld()) SetStandardInput(text);
    for (const std::string_view line_end : {"\r\n", "\n"}) {
      if (!text.ends_with(line_end)) continue;
      text.resize(text.size() - line_end.size());
      break;
    }
  }
  if (arguments.escapes == PromptEscapes::kProcessed) text = WithoutEscapes(text, flag);
  if (text.empty()) throw BadInput("{}: is empty; expected at least one character", flag);
  return text;
}

}  // namespace lockstep
