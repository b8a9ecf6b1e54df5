#include "batch/batch_job.h"
#include "launcher/commands/commands.h"

namespace lockstep {

int RunScore(const Arguments& arguments, std::span<const std::string> arguments_given) {
  BatchJob job(arguments);
  return RunModelJob(arguments, arguments_given, job);
}

}  // namespace lockstep
