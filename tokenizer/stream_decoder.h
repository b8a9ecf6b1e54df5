#pragma once

#include <cstdint>
#include <string>
#include <utility>

#include "tokenizer/tokenizer.h"

namespace lockstep {

// Decodes tokens one at a time. What Push() and Flush() return is, put together, what
// Tokenizer::Decode gives for all the tokens at once; at every moment it is whole characters.
// For one thread at a time.
class StreamDecoder {
 public:
  explicit StreamDecoder(Tokenizer tokenizer, SpecialTokens special = SpecialTokens::kSkip)
      : tokenizer_(std::move(tokenizer)), special_(special) {}

  // The text that this token completes, often empty. Bytes that no later token can make valid come
  // out as U+FFFD at once; the beginning of a character is held back.
  std::string Push(std::int32_t id);

  // U+FFFD when the beginning of a character is still held back, else nothing. The decoder is then
  // as new.
  std::string Flush();

 private:
  Tokenizer tokenizer_;
  SpecialTokens special_;
  std::string pending_;  // the beginning of a character, at most 3 bytes between calls
};

}  // namespace lockstep
