#include "runtime/progress/progress_line.h"

#include <fmt/format.h>
#include <unistd.h>

#include <utility>

#include "runtime/progress/terminal.h"

namespace lockstep {

ProgressOutput ProgressOnStderr(Verbosity verbosity) {
  if (verbosity == Verbosity::kQuiet) return {};
  const auto write = [](std::string_view text) {
    [[maybe_unused]] const auto written = ::write(STDERR_FILENO, text.data(), text.size());
  };
  return {.sink = write,
          .style = StderrIsTerminal() ? ProgressStyle::kTerminal : ProgressStyle::kLog,
          .columns = StderrColumns};
}

ProgressLine::ProgressLine(ProgressOutput output) : output_(std::move(output)) {
  if (output_.style == ProgressStyle::kLog)
    next_ = std::chrono::steady_clock::now() + output_.log_period;
}

bool ProgressLine::IsDue() const {
  return output_.sink && std::chrono::steady_clock::now() >= next_;
}

void ProgressLine::Write(std::string_view text) {
  const auto now = std::chrono::steady_clock::now();
  if (output_.style == ProgressStyle::kLog) {
    next_ = now + output_.log_period;
    output_.sink(fmt::format("lockstep: {}\n", text));
    return;
  }
  next_ = now + output_.terminal_period;
  const std::string line = fmt::format("lockstep: {}", text);
  const std::string_view shown = output_.columns ? FittingLine(line, output_.columns()) : line;
  output_.sink(fmt::format("\r\x1b[K{}", shown));
  shown_ = true;
}

void ProgressLine::Clear() {
  if (shown_) output_.sink("\r\x1b[K");
  shown_ = false;
}

}  // namespace lockstep
