#include "bench/load/load_job.h"
#include "launcher/commands/commands.h"

namespace lockstep {

int RunBenchServe(const Arguments& arguments, std::span<const std::string> arguments_given) {
  return RunLoadBench(arguments, arguments_given);
}

}  // namespace lockstep
