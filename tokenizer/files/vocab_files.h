#pragma once

#include "tokenizer/files/tokenizer_folder.h"

namespace lockstep {

// Vocabulary and merges of a folder without a tokenizer.json, from vocab.json and merges.txt.
// Throws BadInput.
TokenizerSpec ReadVocabFiles(const TokenizerFiles& files);

}  // namespace lockstep
