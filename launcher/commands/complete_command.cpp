#include "complete/complete_job.h"
#include "launcher/commands/commands.h"

namespace lockstep {

int RunComplete(const Arguments& arguments, std::span<const std::string> arguments_given) {
  return RunLineEditor(arguments, arguments_given);
}

}  // namespace lockstep
