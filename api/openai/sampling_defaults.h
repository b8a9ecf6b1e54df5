#pragma once

#include "api/openai/completion_request.h"
#include "core/json.h"

namespace lockstep {

// How a request is answered that says nothing of it: an object with the fields of POST
// /v1/completions that choose tokens. It has no seed, which is another one for each request.
Json SamplingDefaults(const RequestRules& rules);

}  // namespace lockstep
