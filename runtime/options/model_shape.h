#pragma once

#include <string_view>

#include "partition/model/model_spec.h"
#include "runtime/options/options.h"

namespace lockstep {

// Whether a configuration states anything about the architecture.
bool IsStated(const ModelShape& shape);

// The model a shape describes. family, layers, d_model, heads, vocab_rows and context must be
// stated, and rotary_dims where the family rotates; d_ff defaults to 4 x d_model, the rest to the
// family's usual values. Throws BadInput naming `where` and the field that is missing or does not
// fit.
ModelSpec SpecFromShape(const ModelShape& shape, std::string_view where);

// Throws BadInput naming the first field in which a shape contradicts a checkpoint.
void CheckAgreement(const ModelShape& shape, const ModelSpec& checkpoint, std::string_view where);

}  // namespace lockstep
