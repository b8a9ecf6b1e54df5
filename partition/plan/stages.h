#pragma once

#include <vector>

#include "partition/model/model_spec.h"
#include "partition/plan/slice.h"

namespace lockstep {

// The blocks of each stage of a pipeline, in order. The first stage has the embedding as well, the
// last one the final norm and the LM head. The stage that has most to multiply for a new token has
// as little as can be; a table that is looked up costs nothing. Throws BadInput where there are
// more stages than blocks, or none.
std::vector<Range> CutIntoStages(const ModelSpec& spec, int stages);

}  // namespace lockstep
