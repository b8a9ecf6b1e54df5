#pragma once

#include <string_view>

#include "core/json.h"
#include "partition/model/model_spec.h"

namespace lockstep {

// Reads the rotary embedding of a GPT-NeoX config.json into spec.rotary_dims and spec.rope, in the
// order in which transformers does: rope_scaling, which replaces rope_parameters, then
// rotary_emb_base and rotary_pct, then 10000 and 0.25. rope_theta and partial_rotary_factor outside
// of these objects do not count for this family. d_model, head_count and context_tokens are known.
// Throws BadInput naming `where` for types that are not supported, and for numbers that cannot be.
void ReadNeoXRope(const Json& config, std::string_view where, ModelSpec& spec);

}  // namespace lockstep
