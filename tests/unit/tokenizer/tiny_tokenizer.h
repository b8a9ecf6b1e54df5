#pragma once

#include <string>
#include <utility>
#include <vector>

#include "core/error.h"
#include "core/json.h"
#include "tokenizer/byte_level.h"
#include "tokenizer/tokenizer.h"

namespace lockstep {

// A tokenizer.json to change and to load: the 256 bytes are tokens 0 to 255 (byte b has id b), then
// "ab" 256, "abc" 257, "Ġab" 258.
inline Json TinyTokenizerJson() {
  Json vocabulary = Json::object();
  for (int byte = 0; byte < 256; ++byte)
    vocabulary[ByteSpellings()[static_cast<std::size_t>(byte)]] = byte;
  vocabulary["ab"] = 256;
  vocabulary["abc"] = 257;
  vocabulary["Ġab"] = 258;
  const Json byte_level = {{"type", "ByteLevel"}, {"add_prefix_space", false}};
  return {{"version", "1.0"},
          {"added_tokens", Json::array()},
          {"normalizer", nullptr},
          {"pre_tokenizer", byte_level},
          {"post_processor", nullptr},
          {"decoder", byte_level},
          {"model", {{"type", "BPE"}, {"vocab", vocabulary}, {"merges", {"a b", "ab c", "Ġ ab"}}}}};
}

inline Json AddedTokenJson(const std::string& content, std::vector<std::string> flags = {}) {
  Json token = {{"id", 259},       {"content", content},  {"single_word", false}, {"lstrip", false},
                {"rstrip", false}, {"normalized", false}, {"special", false}};
  for (const std::string& flag : flags) token[flag] = true;
  return token;
}

inline Tokenizer Load(const Json& json) { return Tokenizer::FromJson(DumpJson(json), "tiny.json"); }

// With these added tokens, which get the ids from 259 on.
inline Tokenizer TinyWith(std::vector<Json> added_tokens) {
  Json json = TinyTokenizerJson();
  for (std::size_t i = 0; i < added_tokens.size(); ++i) added_tokens[i]["id"] = 259 + i;
  json["added_tokens"] = std::move(added_tokens);
  return Load(json);
}

using Ids = std::vector<std::int32_t>;

}  // namespace lockstep
