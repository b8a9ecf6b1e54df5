#pragma once

#include <cstdint>
#include <fstream>
#include <optional>
#include <string>

namespace lockstep {

// Makes sure that an input can be read more than once, by this process and by those it starts:
// what is no file (a pipe, with a name or without) is copied into one without a name, which takes
// the place of standard input.
void KeepInput(const std::string& input);

// What to open to read it.
std::string InputPath(const std::string& input);

// What is in an input, read through once.
struct InputSummary {
  std::int64_t bytes = 0;
  std::int64_t lines = 0;  // those that are not blank
  std::uint64_t hash = 0;  // of all bytes: FNV-1a, to notice changes, not to withstand an enemy
};
InputSummary SummarizeInput(const std::string& input);

// The lines of a file one after the other: as much of it is in memory as one line is long.
class InputLines {
 public:
  struct Line {
    std::string text;
    std::string where;  // "in.jsonl:3"
  };

  // A file, or "-". Throws BadInput when it is missing.
  explicit InputLines(const std::string& input);

  // The next line that is not blank, or nothing at the end.
  std::optional<Line> Next();

 private:
  std::string name_;
  std::ifstream stream_;
  std::int64_t number_ = 0;
};

}  // namespace lockstep
