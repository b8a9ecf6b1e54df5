#include "tokenizer/files/vocab_files.h"

#include <algorithm>
#include <string_view>

#include "core/error.h"
#include "tokenizer/files/tokenizer_json.h"

namespace lockstep {
namespace {

void ReadMergeFile(const TokenizerFiles& files, TokenizerSpec& spec) {
  const std::string& text = files.texts.at("merges.txt");
  std::size_t number = 0;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    std::string_view line = std::string_view(text).substr(begin, end - begin);
    if (line.ends_with('\r')) line.remove_suffix(1);
    AddMergeLine(line, fmt::format("{}:{}", files.Where("merges.txt"), ++number), spec);
    begin = end + 1;
  }
}

}  // namespace

TokenizerSpec ReadVocabFiles(const TokenizerFiles& files) {
  for (const char* file : {"vocab.json", "merges.txt"})
    if (!files.Has(file))
      throw BadInput(
          "{}: no tokenizer.json, and no {}; expected the one, or vocab.json with "
          "merges.txt",
          files.folder, file);
  TokenizerSpec spec;
  spec.where = files.Where("vocab.json");
  ReadVocabulary(files.Object("vocab.json"), spec);
  ReadMergeFile(files, spec);
  return spec;
}

}  // namespace lockstep
