#include "launcher/commands/commands.h"
#include "server/serve_process.h"

namespace lockstep {

int RunServe(const Arguments& arguments, std::span<const std::string> arguments_given) {
  return RunServer(arguments, arguments_given);
}

}  // namespace lockstep
