#pragma once

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "program.h"
#include "tests/support/test_data.h"

// What runs of the program with --device cuda have in common.

namespace lockstep {

// An environment variable for the time of a test.
class Variable {
 public:
  Variable(const char* name, const std::string& value) : name_(name) {
    if (const char* before = std::getenv(name)) before_ = before;
    ::setenv(name, value.c_str(), 1);
  }
  ~Variable() {
    if (before_.empty())
      ::unsetenv(name_);
    else
      ::setenv(name_, before_.c_str(), 1);
  }
  Variable(const Variable&) = delete;
  Variable& operator=(const Variable&) = delete;

 private:
  const char* name_;
  std::string before_;
};

inline std::vector<std::string> Generate(const std::string& model, const std::string& device,
                                         int ranks) {
  return {"generate",
          "--model",
          (SourceFolder() / "models" / model).string(),
          "--prompt",
          "ROMEO:\n",
          "--temperature",
          "0",
          "--dtype",
          "bf16",
          "--max-new-tokens",
          "24",
          "--device",
          device,
          "--tp",
          std::to_string(ranks)};
}

// Flags and their values; one that is there already gets the new value.
inline std::vector<std::string> With(std::vector<std::string> arguments,
                                     const std::vector<std::string>& more) {
  for (std::size_t i = 0; i + 1 < more.size(); i += 2) {
    const auto found = std::find(arguments.begin(), arguments.end(), more[i]);
    if (more[i] != "--set" && found != arguments.end())
      *(found + 1) = more[i + 1];
    else
      arguments.insert(arguments.end(), {more[i], more[i + 1]});
  }
  return arguments;
}

// Prompts of many lengths, a few at a time: texts come and go, and batches are of every size.
inline std::vector<std::string> GenerateLines(const std::filesystem::path& lines,
                                              const std::filesystem::path& output,
                                              const std::vector<std::string>& more) {
  std::vector<std::string> arguments = {"generate",
                                        "--model",
                                        (SourceFolder() / "models/shakespeare-neox").string(),
                                        "--input",
                                        lines.string(),
                                        "--output",
                                        output.string(),
                                        "--temperature",
                                        "0",
                                        "--dtype",
                                        "bf16",
                                        "--max-new-tokens",
                                        "10",
                                        "--set",
                                        "engine.max_sequences=4"};
  arguments.insert(arguments.end(), more.begin(), more.end());
  return arguments;
}

}  // namespace lockstep
