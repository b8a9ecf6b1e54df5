#include "bench/scaling/scaling_progress.h"

#include <unistd.h>

#include "core/log.h"
#include "runtime/load_model.h"

namespace lockstep {
namespace {

constexpr std::chrono::seconds kLogPeriod{30};

void WriteToTerminal(const std::string& text) {
  [[maybe_unused]] const auto written = ::write(STDERR_FILENO, text.data(), text.size());
}

}  // namespace

ScalingProgress::ScalingProgress(Verbosity verbosity)
    : style_(verbosity == Verbosity::kQuiet ? Style::kNone
             : StderrIsTerminal()           ? Style::kTerminal
                                            : Style::kLog),
      last_(std::chrono::steady_clock::now()) {}

ScalingProgress::~ScalingProgress() { Clear(); }

void ScalingProgress::Show(const std::string& text) {
  if (style_ == Style::kNone) return;
  if (style_ == Style::kTerminal) {
    WriteToTerminal(fmt::format("\r\x1b[Klockstep: {}", text));
    is_shown_ = true;
    return;
  }
  const auto now = std::chrono::steady_clock::now();
  if (now - last_ < kLogPeriod) return;
  last_ = now;
  LogInfo("{}", text);
}

void ScalingProgress::Clear() {
  if (is_shown_) WriteToTerminal("\r\x1b[K");
  is_shown_ = false;
}

}  // namespace lockstep
