#pragma once

#include <string>

#include "bench/load/load_runner.h"
#include "runtime/options/arguments.h"

namespace lockstep {

// Says on standard error how a run goes: over and over in one line of a terminal, in a log every
// half minute, with --quiet not at all.
class LoadProgressLine {
 public:
  explicit LoadProgressLine(Verbosity verbosity);
  ~LoadProgressLine();  // leaves an empty line to what comes next
  LoadProgressLine(const LoadProgressLine&) = delete;
  LoadProgressLine& operator=(const LoadProgressLine&) = delete;

  // what: "round 2 of 3", "5.2 requests/s"; may be empty.
  void Show(const std::string& what, const RunProgress& progress);
  // What was shown gives place to something that stays.
  void Clear();

 private:
  enum class Style { kNone, kTerminal, kLog };
  Style style_;
  double last_ = 0.0;  // when something was said
  bool is_shown_ = false;
};

// The line without its beginning and its end.
std::string ProgressText(const std::string& what, const RunProgress& progress);

}  // namespace lockstep
