#include "tokenizer/stream_decoder.h"

#include "tokenizer/unicode/utf8.h"

namespace lockstep {

std::string StreamDecoder::Push(std::int32_t id) {
  std::string text;
  if (special_ == SpecialTokens::kSkip && tokenizer_.IsSpecial(id)) return text;
  pending_.append(tokenizer_.TokenBytes(id));
  pending_.erase(0, AppendLossyUtf8(pending_, Utf8Tail::kHold, text));
  return text;
}

std::string StreamDecoder::Flush() {
  std::string text;
  AppendLossyUtf8(pending_, Utf8Tail::kReplace, text);
  pending_.clear();
  return text;
}

}  // namespace lockstep
