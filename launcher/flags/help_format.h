#pragma once

#include <CLI/CLI.hpp>
#include <string>

namespace lockstep {

// CLI11's help, in the words and with the spacing of the rest of the project.
class HelpFormatter : public CLI::Formatter {
 public:
  HelpFormatter() { column_width(28); }

  std::string make_usage(const CLI::App* app, std::string name) const override;
};

std::string HelpText(const CLI::App& app);

}  // namespace lockstep
