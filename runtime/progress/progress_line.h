#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <string_view>

#include "runtime/options/arguments.h"

namespace lockstep {

// How progress is shown: on a terminal as one line that is written over and over again, in a file
// as a line of its own now and then.
enum class ProgressStyle { kTerminal, kLog };

struct ProgressOutput {
  std::function<void(std::string_view)> sink;  // empty: nothing is shown
  ProgressStyle style = ProgressStyle::kTerminal;
  std::function<std::size_t()> columns = {};  // a terminal's, now; empty: lines of any length
  std::chrono::milliseconds terminal_period{250};
  std::chrono::milliseconds log_period{30'000};  // the first line comes after one period
};

// Standard error, a line that is written over where a person sees it, else lines in a log, such as
// that of a cluster's job; nothing with --quiet.
ProgressOutput ProgressOnStderr(Verbosity verbosity);

// A line of progress. Not thread-safe: the thread that makes it shows and clears it.
class ProgressLine {
 public:
  explicit ProgressLine(ProgressOutput output);
  ~ProgressLine() { Clear(); }
  ProgressLine(const ProgressLine&) = delete;
  ProgressLine& operator=(const ProgressLine&) = delete;

  // Shows what text() gives, unless something was shown less than a period ago.
  template <typename Text>
  void Show(const Text& text) {
    if (IsDue()) Write(text());
  }
  // Takes the line away again; what is in a file stays.
  void Clear();

 private:
  bool IsDue() const;
  void Write(std::string_view text);

  ProgressOutput output_;
  bool shown_ = false;
  std::chrono::steady_clock::time_point next_ = {};
};

}  // namespace lockstep
