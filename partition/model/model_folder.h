#pragma once

#include <filesystem>
#include <string_view>

namespace lockstep {

// The folder of a model's files (config.json, tokenizer, weights).
//   model  an existing folder, the name of a model that comes with the program, such as
//          `shakespeare-neox`, or a name `org/name[@revision]` looked up in the local Hugging Face
//          cache: $HF_HUB_CACHE, else $HUGGINGFACE_HUB_CACHE, else $HF_HOME/hub, else
//          $XDG_CACHE_HOME/huggingface/hub, else ~/.cache/huggingface/hub. A revision is a branch,
//          a tag or a whole commit; by default "main".
// Never touches the network. Throws BadInput that names every place looked at and the command that
// downloads the model.
std::filesystem::path ResolveModel(std::string_view model);

}  // namespace lockstep
