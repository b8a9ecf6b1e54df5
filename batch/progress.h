#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace lockstep {

// How far a batch job is.
struct ProgressState {
  std::int64_t done = 0;            // lines, those of earlier runs included
  std::int64_t total = 0;           // lines of the input
  std::int64_t resumed = 0;         // of the done ones, those of earlier runs
  std::int64_t tokens = 0;          // made by this run, or read where none are made
  double seconds = 0.0;             // of this run
  std::string_view unit = "lines";  // what the user calls them
  // Lines that each group of ranks has done in this run; empty where there is one group.
  std::vector<std::int64_t> groups = {};
};

// "412 of 2000 lines, 1250 tokens/s, 3 min left", and where there are several groups
// "412 of 2000 lines (2 groups: 208 + 204), 1250 tokens/s, 3 min left".
std::string ProgressText(const ProgressState& state);

// How progress is shown: on a terminal as one line that is written over and over again, in a file
// as a line of its own now and then.
enum class ProgressStyle { kTerminal, kLog };

struct ProgressOutput {
  std::function<void(std::string_view)> sink;  // empty: nothing is shown
  ProgressStyle style = ProgressStyle::kTerminal;
  std::chrono::milliseconds log_period{30'000};  // the first line comes after one period
};

class ProgressLine {
 public:
  explicit ProgressLine(ProgressOutput output);
  ~ProgressLine() { Clear(); }
  ProgressLine(const ProgressLine&) = delete;
  ProgressLine& operator=(const ProgressLine&) = delete;

  // Shows the state, unless that was done a moment ago.
  void Show(const ProgressState& state);
  // Takes the line away again; what is in a file stays.
  void Clear();

  // Whether a file holds lines of progress, to which the end belongs.
  bool logged() const { return logged_; }

 private:
  ProgressOutput output_;
  bool shown_ = false;
  bool logged_ = false;
  std::chrono::steady_clock::time_point next_ = {};
};

}  // namespace lockstep
