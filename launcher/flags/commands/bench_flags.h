#pragma once

#include <span>
#include <string>

#include "runtime/options/commands/bench_options.h"

namespace CLI {
class App;
}  // namespace CLI

namespace lockstep {

// One of the benchmarks that measure ranks: `bench decode`, `bench prefill`, ...
struct BenchCommand {
  BenchKind kind;
  const char* summary;
  const char* footer;
};

std::span<const BenchCommand> BenchCommands();

// What the command line of one of them says beside the configuration's options.
class BenchFlags {
 public:
  // Adds the flags that this kind has, under a heading of its help.
  void Add(CLI::App& command, std::string_view heading, BenchKind kind);

  // Throws BadInput for values out of range.
  BenchOptions Read() const;

 private:
  BenchKind kind_ = BenchKind::kDecode;
  std::string batch_;
  std::string prompt_tokens_;
  std::string new_tokens_;
  std::string message_bytes_;
  std::string rounds_;
};

}  // namespace lockstep
