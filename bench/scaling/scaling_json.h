#pragma once

#include <string>
#include <string_view>

#include "bench/scaling/scaling_result.h"
#include "core/json.h"

namespace lockstep {

// A result as files for programs. Scripts rely on the fields: they may become more, never fewer.

// One JSON object with a line end. `bench compare` finds its figures.
std::string ScalingJson(const ScalingResult& result);

// What ScalingJson() has written, as far as it was measured: its options are not there. Throws
// BadInput.
ScalingResult ReadScaling(const Json& json, std::string_view where);

// A line of names, and one for each point, stage, round and rank.
std::string ScalingCsv(const ScalingResult& result);

}  // namespace lockstep
