#include "runtime/progress/duration_text.h"

#include <fmt/format.h>

#include <cstdint>

namespace lockstep {

std::string DurationText(double seconds) {
  const auto whole = static_cast<std::int64_t>(seconds + 0.5);
  if (whole < 100) return fmt::format("{} s", whole);
  if (whole < 100 * 60) return fmt::format("{} min", (whole + 30) / 60);
  if (whole < 48 * 3600) return fmt::format("{} h", (whole + 1800) / 3600);
  return fmt::format("{} days", (whole + 43200) / 86400);
}

}  // namespace lockstep
