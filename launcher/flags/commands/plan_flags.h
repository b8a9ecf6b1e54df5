#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "launcher/flags/commands/plan_options.h"

namespace CLI {
class App;
}  // namespace CLI

namespace lockstep {

// What the command line of plan says beside the configuration's options.
class PlanFlags {
 public:
  // Adds the flags, under a heading of its help.
  void Add(CLI::App& command, std::string_view heading);

  // Throws BadInput for values out of range and flags that contradict.
  PlanOptions Read() const;

 private:
  std::string machine_;
  std::string batch_;
  std::string prompt_tokens_;
  std::string new_tokens_;
  std::string goal_;
  std::string simulate_;
  std::string rate_;
  std::vector<std::string> results_;
  std::string calibrated_;
  std::string html_;
};

}  // namespace lockstep
