#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace lockstep::jinja {

// A place in a template, from 1.
struct Place {
  int line = 1;
  int column = 1;  // in characters
};

enum class TokenKind : std::uint8_t {
  kData,         // text between the tags
  kOutputBegin,  // {{
  kOutputEnd,    // }}
  kBlockBegin,   // {%
  kBlockEnd,     // %}
  kName,
  kString,  // without its quotes and escapes
  kInteger,
  kFloat,
  kOperator,
  kEnd
};

struct Token {
  TokenKind kind = TokenKind::kEnd;
  std::string text = {};
  std::int64_t integer = 0;
  double number = 0;
  Place place = {};
};

// The tokens of a template, kEnd the last. White space and line ends around tags go as Jinja has
// it with trim_blocks and lstrip_blocks, and the template's last line end goes, too.
// Throws BadInput "where, line 1, column 2: ...".
std::vector<Token> Lex(std::string_view source, std::string_view where);

[[noreturn]] void Refuse(std::string_view where, Place place, std::string_view why);

}  // namespace lockstep::jinja
