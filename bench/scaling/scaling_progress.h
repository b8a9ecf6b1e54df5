#pragma once

#include <chrono>
#include <string>

#include "runtime/options/arguments.h"

namespace lockstep {

// Says on standard error where a measurement is: over and over in one line of a terminal, in a log
// every half minute, with --quiet not at all.
class ScalingProgress {
 public:
  explicit ScalingProgress(Verbosity verbosity);
  ~ScalingProgress();  // leaves an empty line to what comes next
  ScalingProgress(const ScalingProgress&) = delete;
  ScalingProgress& operator=(const ScalingProgress&) = delete;

  void Show(const std::string& text);
  // What was shown gives place to something that stays.
  void Clear();

 private:
  enum class Style { kNone, kTerminal, kLog };
  Style style_;
  std::chrono::steady_clock::time_point last_;  // when something was said in a log
  bool is_shown_ = false;
};

}  // namespace lockstep
