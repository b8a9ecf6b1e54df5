#pragma once

#include <string>

#include "runtime/options/commands/bench_options.h"

namespace CLI {
class App;
}  // namespace CLI

namespace lockstep {

// What the command line of bench says beside the configuration's options.
class BenchFlags {
 public:
  // Adds `bench KIND` and its flags, under a heading of its help.
  void Add(CLI::App& command, std::string_view heading);

  // Throws BadInput for a kind that is missing or unknown, with the nearest, and for values out
  // of range.
  BenchOptions Read() const;

 private:
  std::string kind_;
  std::string batch_;
  std::string prompt_tokens_;
  std::string new_tokens_;
  std::string message_bytes_;
  std::string rounds_;
};

}  // namespace lockstep
