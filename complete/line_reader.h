#pragma once

#include <functional>
#include <optional>
#include <string>

namespace lockstep {

// Lines from a terminal, with editing and a history that lasts (libedit), or from anything else as
// they come. One at a time in a process, for one thread.
class LineReader {
 public:
  LineReader();
  ~LineReader();
  LineReader(const LineReader&) = delete;
  LineReader& operator=(const LineReader&) = delete;

  bool is_terminal() const { return is_terminal_; }

  // Without its end; null at the end of the input. interrupted(): whether Ctrl-C has come, which
  // gives up the line that is being written and begins another.
  std::optional<std::string> Read(const char* prompt, const std::function<bool()>& interrupted);

 private:
  bool is_terminal_;
  std::string history_file_;
};

}  // namespace lockstep
