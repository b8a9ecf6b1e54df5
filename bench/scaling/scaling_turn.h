#pragma once

#include <span>
#include <string>

#include "runtime/options/arguments.h"

namespace lockstep {

// The environment variable with what a sweep calls the world that it starts: "round 2 of 5".
inline constexpr const char* kScalingTurnVariable = "LOCKSTEP_SCALING_TURN";

// One rank of a world: measures all points that the world's rank count has, and rank 0 tells the
// result. Returns the process's exit code.
int RunScalingTurn(const Arguments& arguments, std::span<const std::string> arguments_given);

}  // namespace lockstep
