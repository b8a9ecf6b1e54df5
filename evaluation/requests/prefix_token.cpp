#include "evaluation/requests/prefix_token.h"

#include <string>
#include <vector>

#include "core/error.h"
#include "core/files/file.h"
#include "tokenizer/files/tokenizer_folder.h"

namespace lockstep {
namespace {

// A single tokenizer.json names no token by its role.
std::vector<std::string> Candidates(const std::filesystem::path& place) {
  std::vector<std::string> texts;
  if (IsFolder(place)) {
    const auto special = SpecialTokenTexts(ReadTokenizerFiles(place));
    for (const char* role : {"bos_token", "eos_token"})
      if (const auto found = special.find(role); found != special.end())
        texts.push_back(found->second);
  }
  texts.emplace_back("<|endoftext|>");
  return texts;
}

}  // namespace

PrefixToken::PrefixToken(const Tokenizer& tokenizer, const std::filesystem::path& place)
    : place_(place) {
  for (const std::string& text : Candidates(place))
    if (!id_) id_ = tokenizer.TokenId(text);
}

std::int32_t PrefixToken::id() const {
  if (id_) return *id_;
  throw BadInput(
      "{}: names no token that begins or ends a text, which has to stand for an empty context; add "
      "\"bos_token\" to tokenizer_config.json",
      place_.string());
}

}  // namespace lockstep
