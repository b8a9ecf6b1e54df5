#include "batch/stderr_progress.h"

#include <unistd.h>

#include "runtime/load_model.h"

namespace lockstep {

ProgressOutput ProgressOnStderr(Verbosity verbosity) {
  if (verbosity == Verbosity::kQuiet) return {};
  const auto write = [](std::string_view text) {
    [[maybe_unused]] const auto written = ::write(STDERR_FILENO, text.data(), text.size());
  };
  return {.sink = write,
          .style = StderrIsTerminal() ? ProgressStyle::kTerminal : ProgressStyle::kLog};
}

}  // namespace lockstep
