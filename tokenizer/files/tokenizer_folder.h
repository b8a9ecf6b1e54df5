#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <string_view>

#include "core/json.h"
#include "tokenizer/tokenizer_spec.h"

namespace lockstep {

// The files of a folder that say what its tokenizer is, as they are. Those that do not exist are
// not there.
struct TokenizerFiles {
  std::string folder;  // for messages
  std::map<std::string, std::string, std::less<>> texts;

  bool Has(std::string_view file) const { return texts.contains(file); }
  std::string Where(std::string_view file) const;

  // The object in the file, empty where there is no such file. Throws BadInput.
  Json Object(std::string_view file) const;
};

// tokenizer.json, or vocab.json and merges.txt; tokenizer_config.json, special_tokens_map.json,
// added_tokens.json and config.json. Throws BadInput or EnvironmentError for one that cannot be
// read.
TokenizerFiles ReadTokenizerFiles(const std::filesystem::path& folder);

// By the rules by which AutoTokenizer of Hugging Face `transformers` makes a tokenizer of them.
// tokenizer_config.json names a class, or else config.json does, or else it names the model:
// - GPT2Tokenizer and GPTNeoXTokenizer take vocabulary and merges of tokenizer.json and nothing
//   else; whether a space is put before the text stands in tokenizer_config.json. The latter
//   normalises to NFC.
// - Every other class takes tokenizer.json as it is.
// Added and special tokens may be named by all of the files (named_tokens.h).
// Throws BadInput.
TokenizerSpec ParseTokenizerFiles(const TokenizerFiles& files);

// "bos_token" and its like: the texts of the tokens that the files, or the class, name so. Throws
// BadInput.
std::map<std::string, std::string> SpecialTokenTexts(const TokenizerFiles& files);

}  // namespace lockstep
