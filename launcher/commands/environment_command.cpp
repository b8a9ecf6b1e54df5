#include "launcher/commands/commands.h"
#include "launcher/commands/environment_facts.h"
#include "runtime/standard_streams.h"

namespace lockstep {

int RunEnvironment(const Arguments& arguments) {
  const nlohmann::ordered_json facts = EnvironmentFacts();
  // Names of files and values of variables need not be UTF-8.
  constexpr auto kReplace = nlohmann::ordered_json::error_handler_t::replace;
  WriteStandardOutput(arguments.report_format == ReportFormat::kJson
                          ? facts.dump(2, ' ', false, kReplace) + "\n"
                          : EnvironmentText(facts));
  return 0;
}

}  // namespace lockstep
