#include "bench/load/load_progress.h"

#include <unistd.h>

#include "core/log.h"
#include "runtime/load_model.h"

namespace lockstep {
namespace {

constexpr double kTerminalSeconds = 0.25;
constexpr double kLogSeconds = 30.0;

void WriteToTerminal(const std::string& text) {
  [[maybe_unused]] const auto written = ::write(STDERR_FILENO, text.data(), text.size());
}

}  // namespace

std::string ProgressText(const std::string& what, const RunProgress& progress) {
  const double rate =
      progress.seconds > 0.0 ? static_cast<double>(progress.output_tokens) / progress.seconds : 0.0;
  return fmt::format("{}{}{:.1f} s: {} done, {} failed, {} in flight, {:.0f} tokens/s", what,
                     what.empty() ? "" : ", ", progress.seconds, progress.completed,
                     progress.failed, progress.in_flight, rate);
}

LoadProgressLine::LoadProgressLine(Verbosity verbosity) : style_(Style::kLog) {
  if (verbosity == Verbosity::kQuiet)
    style_ = Style::kNone;
  else if (StderrIsTerminal())
    style_ = Style::kTerminal;
}

LoadProgressLine::~LoadProgressLine() { Clear(); }

void LoadProgressLine::Show(const std::string& what, const RunProgress& progress) {
  if (progress.seconds < last_) last_ = 0.0;  // of another run
  const double period = style_ == Style::kTerminal ? kTerminalSeconds : kLogSeconds;
  if (style_ == Style::kNone || progress.seconds - last_ < period) return;
  last_ = progress.seconds;
  const std::string text = ProgressText(what, progress);
  if (style_ == Style::kLog) return LogInfo("{}", text);
  constexpr std::string_view kClearLine = "\r\x1b[K";
  WriteToTerminal(fmt::format("{}lockstep: {}", kClearLine, text));
  is_shown_ = true;
}

void LoadProgressLine::Clear() {
  if (is_shown_) WriteToTerminal("\r\x1b[K");
  is_shown_ = false;
}

}  // namespace lockstep
