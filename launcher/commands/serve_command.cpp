#include "launcher/commands/commands.h"
#include "server/serve_job.h"

namespace lockstep {

int RunServe(const Arguments& arguments, std::span<const std::string> arguments_given) {
  ServeJob job(arguments);
  return RunModelJob(arguments, arguments_given, job);
}

}  // namespace lockstep
