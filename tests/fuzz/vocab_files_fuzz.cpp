// A tokenizer's folder holds up to seven files that others have made: vocab.json with merges.txt or
// a tokenizer.json, and what names more tokens. Whatever they hold, they give a working tokenizer
// or BadInput.
//
// An input is all of them: a line "== NAME" begins each file.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "core/error.h"
#include "core/log.h"
#include "tokenizer/files/tokenizer_folder.h"
#include "tokenizer/tokenizer.h"

namespace lockstep {
namespace {

TokenizerFiles FilesOf(std::string_view input) {
  constexpr std::string_view kBegin = "== ";
  TokenizerFiles files{.folder = "fuzz", .texts = {}};
  std::string* text = nullptr;
  while (!input.empty()) {
    const std::size_t end = std::min(input.find('\n'), input.size() - 1) + 1;
    const std::string_view line = input.substr(0, end);
    input.remove_prefix(end);
    if (line.starts_with(kBegin)) {
      std::string_view name = line.substr(kBegin.size());
      if (name.ends_with('\n')) name.remove_suffix(1);
      text = &files.texts[std::string(name)];
    } else if (text != nullptr) {
      text->append(line);
    }
  }
  return files;
}

// What is encoded consists of tokens, and plain text comes back.
void Exercise(const Tokenizer& tokenizer, std::string_view text) {
  const std::vector<std::int32_t> ids = tokenizer.Encode(text);
  for (const std::int32_t id : ids)
    if (id < 0 || tokenizer.TokenBytes(id).empty()) std::abort();
  tokenizer.Decode(ids, SpecialTokens::kSkip);
  tokenizer.Decode(ids, SpecialTokens::kKeep);
}

void FuzzOne(std::string_view input) {
  try {
    const Tokenizer tokenizer(ParseTokenizerFiles(FilesOf(input)));
    Exercise(tokenizer, "a  ab \t<x> e\xCC\x81<|endoftext|> hello [X] 123's\n\n");
  } catch (const Error& error) {
    if (error.code() != ExitCode::kBadInput) std::abort();
  }
}

}  // namespace
}  // namespace lockstep

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  lockstep::SetLogLevel(lockstep::LogLevel::kError);
  lockstep::FuzzOne({reinterpret_cast<const char*>(data), size});
  return 0;
}
