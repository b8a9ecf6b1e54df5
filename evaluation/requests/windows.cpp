#include "evaluation/requests/windows.h"

#include <algorithm>

#include "core/error.h"
#include "text/continuation.h"
#include "text/python_text.h"

namespace lockstep {
namespace {

// Nothing but white space in front: the prefix token is the context, unless the text begins with
// it.
Window EncodeWithoutContext(const TextPair& pair, const TokenRules& rules) {
  std::vector<std::int32_t> tokens = rules.tokenizer.Encode(pair.context + pair.continuation);
  const std::int32_t prefix = rules.prefix.id();
  if (!tokens.empty() && tokens.front() == prefix) tokens.erase(tokens.begin());
  if (tokens.empty())
    throw BadInput("{} has no token to score; expected at least one character",
                   ShownJson(pair.context + pair.continuation));
  return {.context = {prefix}, .continuation = std::move(tokens)};
}

Window Encode(const TextPair& pair, const TokenRules& rules) {
  if (WithoutSpacesAtEnd(pair.context).empty()) return EncodeWithoutContext(pair, rules);
  const auto [tokens, context_tokens] =
      EncodeContinuation(rules.tokenizer, pair.context, pair.continuation);
  const auto middle = tokens.begin() + context_tokens;
  return {.context = {tokens.begin(), middle}, .continuation = {middle, tokens.end()}};
}

std::vector<std::int32_t> Part(std::span<const std::int32_t> tokens, std::size_t begin,
                               std::size_t end) {
  const auto part = tokens.subspan(begin, end - begin);
  return {part.begin(), part.end()};
}

}  // namespace

std::vector<Window> CutPair(const TextPair& pair, const TokenRules& rules) {
  Window whole = Encode(pair, rules);
  const std::int64_t room = rules.context_tokens + 1 - std::ssize(whole.continuation);
  if (room < 1)
    return RollingWindows(whole.continuation, whole.context.back(), rules.context_tokens);
  if (std::ssize(whole.context) > room)
    whole.context.erase(whole.context.begin(), whole.context.end() - room);
  std::vector<Window> windows;
  windows.push_back(std::move(whole));
  return windows;
}

std::vector<Window> RollingWindows(std::span<const std::int32_t> tokens, std::int32_t prefix,
                                   std::int64_t context_tokens) {
  std::vector<Window> windows;
  const auto most = static_cast<std::size_t>(context_tokens);
  for (std::size_t begin = 0; begin < tokens.size();) {
    const std::size_t end = std::min(begin + most, tokens.size());
    Window one;
    // A last window that is short reads more of what has been scored already.
    if (begin == 0)
      one.context = {prefix};
    else
      one.context = Part(tokens, end - most - 1, begin);
    one.continuation = Part(tokens, begin, end);
    windows.push_back(std::move(one));
    begin = end;
  }
  return windows;
}

}  // namespace lockstep
