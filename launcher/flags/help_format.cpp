#include "launcher/flags/help_format.h"

#include <fmt/format.h>

namespace lockstep {

std::string HelpFormatter::make_usage(const CLI::App* app, std::string) const {
  std::string name;
  for (const CLI::App* at = app; at->get_parent() != nullptr; at = at->get_parent())
    name = at->get_name() + " " + name;
  return fmt::format("Usage: lockstep {}[FLAGS]\n", name.empty() ? "COMMAND " : name);
}

// CLI11 puts two empty lines between groups.
std::string HelpText(const CLI::App& app) {
  std::string text = app.help();
  for (auto at = text.find("\n\n\n"); at != std::string::npos; at = text.find("\n\n\n", at))
    text.erase(at, 1);
  return text;
}

}  // namespace lockstep
