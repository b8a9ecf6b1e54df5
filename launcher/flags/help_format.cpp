#include "launcher/flags/help_format.h"

#include <fmt/format.h>

namespace lockstep {

std::string HelpFormatter::make_usage(const CLI::App* app, std::string) const {
  const bool command = app->get_parent() != nullptr;
  return command ? fmt::format("Usage: lockstep {} [FLAGS]\n", app->get_name())
                 : "Usage: lockstep COMMAND [FLAGS]\n";
}

// CLI11 puts two empty lines between groups.
std::string HelpText(const CLI::App& app) {
  std::string text = app.help();
  for (auto at = text.find("\n\n\n"); at != std::string::npos; at = text.find("\n\n\n", at))
    text.erase(at, 1);
  return text;
}

}  // namespace lockstep
