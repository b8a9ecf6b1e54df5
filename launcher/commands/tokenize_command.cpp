#include <iostream>

#include "core/error.h"
#include "launcher/commands/commands.h"
#include "launcher/commands/json_lines.h"
#include "launcher/commands/streams.h"
#include "tokenizer/tokenizer.h"

namespace lockstep {
namespace {

constexpr const char* kTextField = "text";
constexpr const char* kTokensField = "tokens";

Json Encode(const Tokenizer& tokenizer, const LineFields& line) {
  const auto text = FindString(line.object(), kTextField, line.where());
  if (!text) throw BadInput("{}: \"{}\" is missing; expected a text", line.where(), kTextField);
  return {{kTokensField, tokenizer.Encode(*text)}};
}

Json Decode(const Tokenizer& tokenizer, const LineFields& line) {
  const auto tokens = line.Tokens(kTokensField);
  if (!tokens)
    throw BadInput(
        "{}: \"{}\" is missing; expected a list of token ids; without --decode, lines "
        "have \"{}\"",
        line.where(), kTokensField, kTextField);
  for (std::size_t i = 0; i < tokens->size(); ++i)
    if (tokenizer.TokenBytes((*tokens)[i]).empty())
      throw BadInput(
          "{}: \"{}\"[{}] is {}, which the tokenizer has no token for; its ids are 0 to {}",
          line.where(), kTokensField, i, (*tokens)[i], tokenizer.vocab_size() - 1);
  return {{kTextField, tokenizer.Decode(*tokens, SpecialTokens::kKeep)}};
}

// A line's answer; its id, if it has one, comes back with it.
std::string Answer(const Tokenizer& tokenizer, TokenizeDirection direction, std::string_view text,
                   const std::string& where) {
  const bool encode = direction == TokenizeDirection::kEncode;
  const LineFields line(text, where,
                        LineRules{.known = {encode ? kTextField : kTokensField, "id"}});
  Json answer = encode ? Encode(tokenizer, line) : Decode(tokenizer, line);
  if (line.object().contains("id")) answer["id"] = line.Id(0);
  return DumpJson(answer) + "\n";
}

}  // namespace

int RunTokenize(const Arguments& arguments) {
  const Tokenizer tokenizer = Tokenizer::Load(arguments.options.model.tokenizer);
  std::string line;
  for (std::int64_t number = 1; std::getline(std::cin, line); ++number) {
    if (IsBlank(line)) continue;
    const std::string where = fmt::format("{}:{}", InputName("-"), number);
    WriteStandardOutput(Answer(tokenizer, arguments.direction, line, where));
  }
  if (std::cin.bad()) throw EnvironmentError("{}: reading failed", InputName("-"));
  return 0;
}

}  // namespace lockstep
