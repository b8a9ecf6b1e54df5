#pragma once

#include <string>
#include <string_view>

#include "runtime/options/commands/scaling_options.h"

namespace CLI {
class App;
}  // namespace CLI

namespace lockstep {

// What the command line of `bench scaling` says beside the configuration's options.
class ScalingFlags {
 public:
  void Add(CLI::App& command, std::string_view heading);

  // Throws BadInput for values out of range.
  ScalingOptions Read() const;

 private:
  std::string kind_, ranks_, stages_, dtypes_, batch_, prompt_tokens_, new_tokens_, rounds_;
  std::string json_, csv_, html_;
};

}  // namespace lockstep
