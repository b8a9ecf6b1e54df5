#pragma once

#include <span>
#include <string>

#include "launcher/flags/commands/plan_options.h"
#include "runtime/options/arguments.h"

namespace lockstep {

// One command each, in the file of its name. They return the process's exit code or throw Error.
// arguments_given is the command line as it was, for the ranks that --tp starts.
int RunGenerate(const Arguments& arguments, std::span<const std::string> arguments_given);
int RunScore(const Arguments& arguments, std::span<const std::string> arguments_given);
int RunEmbed(const Arguments& arguments, std::span<const std::string> arguments_given);
int RunServe(const Arguments& arguments, std::span<const std::string> arguments_given);
int RunComplete(const Arguments& arguments, std::span<const std::string> arguments_given);
int RunEnvironment(const Arguments& arguments);
int RunTokenize(const Arguments& arguments);
int RunPlan(const Arguments& arguments, const PlanOptions& asked);
int RunEval(const Arguments& arguments, std::span<const std::string> arguments_given);
int RunBench(const Arguments& arguments, std::span<const std::string> arguments_given);
int RunBenchScaling(const Arguments& arguments, std::span<const std::string> arguments_given);
int RunBenchServe(const Arguments& arguments, std::span<const std::string> arguments_given);
int RunBenchCompare(const Arguments& arguments);

}  // namespace lockstep
