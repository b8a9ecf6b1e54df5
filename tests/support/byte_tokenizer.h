#pragma once

#include <string>

#include "core/error.h"

namespace lockstep {

// A tokenizer.json of `size` ids from 2: one for each of the first printable characters from '!'
// on, the last one "<|endoftext|>". Enough of a tokenizer for models with small vocabularies.
inline std::string ByteTokenizerJson(int size) {
  std::string vocabulary;
  for (int id = 0; id + 1 < size; ++id) {
    const int character = '!' + id;
    LOCKSTEP_CHECK(character <= '~', "{} ids are too many", size);
    const std::string escape = character == '"' || character == '\\' ? "\\" : "";
    vocabulary += fmt::format("\"{}{}\": {}, ", escape, static_cast<char>(character), id);
  }
  return fmt::format(
      R"({{"version": "1.0", "truncation": null, "padding": null, "normalizer": null,
           "added_tokens": [{{"id": {0}, "content": "<|endoftext|>", "single_word": false,
             "lstrip": false, "rstrip": false, "normalized": false, "special": true}}],
           "pre_tokenizer": {{"type": "ByteLevel", "add_prefix_space": false, "use_regex": true}},
           "post_processor": null,
           "decoder": {{"type": "ByteLevel", "add_prefix_space": true, "use_regex": true}},
           "model": {{"type": "BPE", "unk_token": null, "merges": [],
             "vocab": {{{1}"<|endoftext|>": {0}}}}}}})",
      size - 1, vocabulary);
}

}  // namespace lockstep
