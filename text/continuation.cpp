#include "text/continuation.h"

#include <string>

#include "core/error.h"
#include "text/python_text.h"

namespace lockstep {

ContextAndContinuation EncodeContinuation(const Tokenizer& tokenizer, std::string_view context,
                                          std::string_view continuation) {
  const std::string whole = std::string(context) + std::string(continuation);
  ContextAndContinuation encoded{.tokens = tokenizer.Encode(whole)};  // refuses invalid UTF-8
  const std::string_view alone = WithoutSpacesAtEnd(context);
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
