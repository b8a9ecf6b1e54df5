#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "core/json.h"

namespace lockstep {

// What a model's files say about generating text: its generation_config.json, or where there is
// none its config.json. As in transformers 5: the first file hides the second, key by key and
// whole.
struct GenerationConfig {
  std::string where;  // the file, for messages
  Json values = Json::object();
};

// Throws BadInput for a file that is no JSON object.
GenerationConfig ReadGenerationConfig(const std::filesystem::path& folder);

// The tokens that end a text, "eos_token_id": an id or a list of them, each once, in their order.
// Ids that the vocabulary does not have cannot come, and are passed over (transformers' defaults
// put 50256 into models with fewer rows). Throws BadInput for what is no integer.
std::vector<std::int32_t> EndTokens(const GenerationConfig& config, std::int64_t vocab_rows);

}  // namespace lockstep
