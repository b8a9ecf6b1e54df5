#include "bench/scaling/scaling_sweep.h"
#include "launcher/commands/commands.h"

namespace lockstep {

int RunBenchScaling(const Arguments& arguments, std::span<const std::string> arguments_given) {
  return RunScalingBench(arguments, arguments_given);
}

}  // namespace lockstep
