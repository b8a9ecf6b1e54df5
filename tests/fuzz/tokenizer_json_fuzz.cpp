// tokenizer.json is read from folders that others have made: whatever it holds, it gives a working
// tokenizer or an Error.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "core/error.h"
#include "core/log.h"
#include "tokenizer/stream_decoder.h"
#include "tokenizer/tokenizer.h"

namespace lockstep {
namespace {

// Decoding at once and token by token must agree; so must both ways of asking for the bytes.
void Exercise(const Tokenizer& tokenizer, std::string_view text) {
  std::vector<std::int32_t> ids = tokenizer.Encode(text);
  for (const char c : text) ids.push_back(static_cast<signed char>(c));
  for (const SpecialTokens special : {SpecialTokens::kKeep, SpecialTokens::kSkip}) {
    StreamDecoder stream(tokenizer, special);
    std::string streamed;
    for (const std::int32_t id : ids) streamed += stream.Push(id);
    streamed += stream.Flush();
    if (streamed != tokenizer.Decode(ids, special)) std::abort();
  }
  for (const std::int32_t id : ids)
    if (id >= tokenizer.vocab_size() && !tokenizer.TokenBytes(id).empty()) std::abort();
}

void FuzzOne(std::string_view json) {
  try {
    const Tokenizer tokenizer = Tokenizer::FromJson(json, "fuzz");
    Exercise(tokenizer, "a  ab \t<x> e\xCC\x81 hello 123's\n\n");
    Exercise(tokenizer, json.substr(0, 512));
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
