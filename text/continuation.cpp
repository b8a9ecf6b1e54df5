#include "text/continuation.h"

#include <string>

#include "core/error.h"
#include "tokenizer/unicode/unicode.h"
#include "tokenizer/unicode/utf8.h"

namespace lockstep {
namespace {

// What Python's str.isspace() takes for one: beside \s four separators of ASCII.
bool IsSpace(char32_t c) {
  return (c >= 0x1C && c <= 0x1F) || UnicodeTables::Get().ClassOf(c) == CharClass::kSpace;
}

// Bytes of the text without the white space at its end.
std::size_t BytesWithoutSpaces(std::string_view text) {
  std::size_t end = text.size();
  while (end > 0) {
    std::size_t begin = end - 1;
    while (begin > 0 && (static_cast<unsigned char>(text[begin]) & 0xC0) == 0x80) --begin;
    if (!IsSpace(DecodeUtf8(text, begin).code_point)) break;
    end = begin;
  }
  return end;
}

}  // namespace

ContextAndContinuation EncodeContinuation(const Tokenizer& tokenizer, std::string_view context,
                                          std::string_view continuation) {
  const std::string whole = std::string(context) + std::string(continuation);
  ContextAndContinuation encoded{.tokens = tokenizer.Encode(whole)};  // refuses invalid UTF-8
  const std::string_view alone = context.substr(0, BytesWithoutSpaces(context));
  if (alone.empty())
    throw BadInput(
        "\"context\" is empty or white space; expected something that the continuation follows on, "
        "such as the token that begins texts, \"<|endoftext|>\"");
  encoded.context_tokens = std::ssize(tokenizer.Encode(alone));
  if (encoded.context_tokens >= std::ssize(encoded.tokens))
    throw BadInput(
        "\"context\" and \"continuation\" have {} tokens together, and \"context\" alone has {}, "
        "which leaves none to score; lengthen \"continuation\"",
        encoded.tokens.size(), encoded.context_tokens);
  return encoded;
}

}  // namespace lockstep
