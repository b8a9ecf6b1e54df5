#pragma once

#include <sys/types.h>

#include <initializer_list>
#include <string>
#include <utility>
#include <vector>

namespace lockstep::testing {

// A program under test, with its standard streams on pipes.
class ChildProcess {
 public:
  struct Options {
    std::vector<std::string> command;
    std::string input;                                             // all of standard input
    std::vector<std::pair<std::string, std::string>> environment;  // added to ours
  };
  explicit ChildProcess(const Options& options);
  explicit ChildProcess(std::vector<std::string> command)
      : ChildProcess(Options{command, "", {}}) {}
  ~ChildProcess();  // kills it if it still runs
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;

  pid_t pid() const { return pid_; }
  void Signal(int signal_number);
  // Result::seconds counts from here.
  void Mark();

  // Reads standard output until a line starts with this, and returns that line; "" at its end or
  // after 30 s.
  std::string WaitForLine(const std::string& prefix);
  // Closes our end of its standard output, as `head` does.
  void CloseOutput();

  struct Result {
    int exit_code;  // 128 + signal when it was killed, as shells say it
    std::string output;
    std::string errors;
    double seconds;  // since the start, Mark(), Signal() or CloseOutput()
  };
  // Waits for the end, at most 60 s; then kills it and reports exit code -1.
  Result Wait();

 private:
  bool Pump(int timeout_ms);  // false when both streams have ended

  pid_t pid_ = -1;
  int output_ = -1;
  int errors_ = -1;
  std::string output_text_;
  std::string error_text_;
  std::size_t read_up_to_ = 0;
  double since_ = 0;
};

// Waits up to 10 s until none of these processes is left.
bool AllGone(const std::vector<pid_t>& processes);

}  // namespace lockstep::testing
