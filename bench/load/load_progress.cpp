#include "bench/load/load_progress.h"

#include <fmt/format.h>

namespace lockstep {

std::string ProgressText(const std::string& what, const RunProgress& progress) {
  const double rate =
      progress.seconds > 0.0 ? static_cast<double>(progress.output_tokens) / progress.seconds : 0.0;
  return fmt::format("{}{}{:.1f} s: {} done, {} failed, {} in flight, {:.0f} tokens/s", what,
                     what.empty() ? "" : ", ", progress.seconds, progress.completed,
                     progress.failed, progress.in_flight, rate);
}

}  // namespace lockstep
