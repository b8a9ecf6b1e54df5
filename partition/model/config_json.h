#pragma once

#include <filesystem>
#include <string_view>

#include "partition/model/model_spec.h"

namespace lockstep {

// Reads a Hugging Face config.json of any family, with the field names of old and of new
// versions of transformers. Fields that would change the result and are not supported (another
// activation, quantised weights, ...) are refused; what does not matter is ignored.
// Throws BadInput naming `where`, the field, what was found and what is supported.
ModelSpec ParseConfigJson(std::string_view text, std::string_view where);

// folder/config.json. Refuses a folder with an adapter in it.
ModelSpec LoadModelSpec(const std::filesystem::path& folder);

}  // namespace lockstep
