#pragma once

#include <span>
#include <string>
#include <utility>
#include <vector>

#include "bench/scaling/scaling_result.h"
#include "runtime/options/arguments.h"

namespace lockstep {

// `lockstep bench scaling`: starts a world for each rank count, number of stages and dtype in turn,
// round after round, and puts together what they have measured. In a world that has been started
// already it measures that one. Returns the process's exit code.
int RunScalingBench(const Arguments& arguments, std::span<const std::string> arguments_given);

// The rank counts where none are asked for: powers of two, as far as each rank has a core.
std::vector<std::int64_t> DefaultRankCounts(std::int64_t cores);

// Threads of each rank where none are asked for: the same at all counts, as many as there are cores
// for at the largest count that does not take more ranks than cores.
std::int64_t ThreadsOfSweep(const std::vector<std::int64_t>& ranks, std::int64_t cores);

// The worlds that the options ask for, all of which they have to name. Rank counts that cannot be
// cut into some number of stages are left out there, which is said. Throws BadInput where a number
// of stages has no world.
std::vector<ScalingWorld> WorldsOfSweep(const ScalingOptions& options);

// A command line in which each of these flags has this value in place of any that is there; where
// the value is empty the flag is left out.
using FlagValues = std::vector<std::pair<std::string, std::string>>;
std::vector<std::string> WithFlags(std::span<const std::string> arguments, const FlagValues& flags);

}  // namespace lockstep
