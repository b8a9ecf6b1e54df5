#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "core/json.h"
#include "partition/model/model_spec.h"
#include "runtime/options/options.h"

namespace lockstep {

// What a model's files say about generating text: its generation_config.json, or where there is
// none its config.json. As in transformers 5: the first file hides the second as a whole.
struct GenerationConfig {
  std::string where;             // the file of the sampling defaults, for messages
  Json values = Json::object();  // the sampling defaults
  std::vector<std::int32_t> end_tokens;
};

// choice: model.generation_config. "none" leaves the end tokens as they are; so does a file that
// names none. Throws BadInput for a file that is no JSON object.
GenerationConfig ReadGenerationConfig(const std::filesystem::path& folder, std::string_view choice,
                                      const ModelSpec& spec);

// The tokens that end a text, "eos_token_id": an id or a list of them, each once, in their order.
// Ids that the vocabulary does not have cannot come, and are passed over (transformers' defaults
// put 50256 into models with fewer rows). Throws BadInput for what is no integer.
std::vector<std::int32_t> EndTokens(const Json& config, std::string_view where,
                                    std::int64_t vocab_rows);

// What became of a model's sampling defaults.
struct AppliedDefaults {
  std::vector<std::string> used;         // "temperature 0.6"
  std::vector<std::string> unsupported;  // "no_repeat_ngram_size"
};

// Gives the keys of sampling that nobody has set (options.stated) the values of the model. As
// transformers has it, temperature counts only where do_sample is true, and top_k is 50 then unless
// the file says something else. sampled_vocab: ids from here on cannot come. Throws BadInput naming
// the file and the key for a value that is out of range or of the wrong type, and where values that
// the user has set do not go together.
AppliedDefaults ApplyDefaults(const GenerationConfig& config, std::int64_t sampled_vocab,
                              Options& options);

// Says so, once, for the user.
void ReportDefaults(const GenerationConfig& config, const AppliedDefaults& applied);

}  // namespace lockstep
