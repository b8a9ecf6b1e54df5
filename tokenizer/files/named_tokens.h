#pragma once

#include <map>
#include <string>
#include <string_view>

#include "tokenizer/files/tokenizer_folder.h"

namespace lockstep {

// Tokens by role ("bos_token") that a class has where no file names the role.
using RoleDefaults = std::map<std::string_view, std::string>;

// Adds to spec.added what the files beside the vocabulary name: tokenizer_config.json
// (added_tokens_decoder, roles such as pad_token, those of the model's own, extra_special_tokens),
// and where it has no added_tokens_decoder, special_tokens_map.json, added_tokens.json and the
// added tokens of tokenizer.json. In the order in which `transformers` adds them, because they get
// the next free ids: by id, by role, and the others. What spec.added holds already, with the same
// flags, is not added again. Throws BadInput.
void AddNamedTokens(const TokenizerFiles& files, const RoleDefaults& defaults, TokenizerSpec& spec);

// The texts of the tokens that have a role: "bos_token" and the like, and those of the model's own.
// Throws BadInput.
std::map<std::string, std::string> RoleTexts(const TokenizerFiles& files,
                                             const RoleDefaults& defaults);

}  // namespace lockstep
