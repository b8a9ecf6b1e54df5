#pragma once

#include <filesystem>

#include "tokenizer/tokenizer_spec.h"

namespace lockstep {

// Reads a folder without a tokenizer.json: vocab.json and merges.txt, and where they exist
// tokenizer_config.json, special_tokens_map.json, added_tokens.json and config.json, by the rules
// by which Hugging Face `transformers` makes a GPT2Tokenizer or GPTNeoXTokenizer of them. (The
// latter normalises to NFC. tokenizer_config.json names the class, or else config.json the model.)
// Throws BadInput.
TokenizerSpec ReadVocabFiles(const std::filesystem::path& folder);

}  // namespace lockstep
