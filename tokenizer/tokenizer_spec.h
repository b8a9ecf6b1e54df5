#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "tokenizer/added_tokens.h"

namespace lockstep {

enum class Normalization { kNone, kNfc };
enum class PrefixSpace { kKeep, kAdd };          // before text that does not begin with a space
enum class WordSplitting { kGpt2, kWholeText };  // by the GPT-2 expression, or not at all
enum class SpecialInText { kIsToken, kIsText };  // whether special tokens are found in a text

// What a tokenizer's files say, whichever files they are: read by tokenizer_json.h and
// tokenizer_folder.h, turned into a Tokenizer by tokenizer.h.
struct TokenizerSpec {
  // An added token and the id that its file gives it (kNoId where the file gives none). The id
  // that counts is the vocabulary's, or else the next free one: the file's is only compared.
  struct Added {
    static constexpr std::int64_t kNoId = -1;
    std::int64_t id;
    AddedToken token;
    bool implied = false;  // the tokenizer's class has it, and no file names it
  };

  std::string where;                                             // names the files in messages
  std::vector<std::pair<std::string, std::int32_t>> vocabulary;  // spelling, id; both unique
  std::vector<std::pair<std::string, std::string>> merges;       // by rank, lowest first
  bool ignore_merges = false;
  Normalization normalization = Normalization::kNone;
  PrefixSpace prefix_space = PrefixSpace::kKeep;
  WordSplitting word_splitting = WordSplitting::kGpt2;
  SpecialInText special_in_text = SpecialInText::kIsToken;
  std::vector<Added> added;  // in the order of the file
};

// Ids have to stay below this, which bounds the memory that a damaged file can ask for.
constexpr std::int32_t kTokenIdLimit = 1 << 20;

}  // namespace lockstep
