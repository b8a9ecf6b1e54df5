#include "batch/progress.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

namespace lockstep {
namespace {

std::string Duration(double seconds) {
  const auto whole = static_cast<std::int64_t>(seconds + 0.5);
  if (whole < 100) return fmt::format("{} s", whole);
  if (whole < 100 * 60) return fmt::format("{} min", (whole + 30) / 60);
  if (whole < 48 * 3600) return fmt::format("{} h", (whole + 1800) / 3600);
  return fmt::format("{} days", (whole + 43200) / 86400);
}

// Each group's lines as long as they fit on a terminal.
std::string Groups(const std::vector<std::int64_t>& groups) {
  constexpr std::size_t kShown = 8;
  if (groups.empty()) return "";
  if (groups.size() <= kShown)
    return fmt::format(" ({} groups: {})", groups.size(), fmt::join(groups, " + "));
  const auto [least, most] = std::minmax_element(groups.begin(), groups.end());
  return fmt::format(" ({} groups: {} to {} each)", groups.size(), *least, *most);
}

}  // namespace

std::string ProgressText(const ProgressState& state) {
  std::string text =
      fmt::format("{} of {} {}{}", state.done, state.total, state.unit, Groups(state.groups));
  if (state.seconds <= 0.0 || state.tokens == 0) return text;
  text += fmt::format(", {:.0f} tokens/s", static_cast<double>(state.tokens) / state.seconds);
  const std::int64_t fresh = state.done - state.resumed;
  if (fresh <= 0 || state.done >= state.total) return text;
  const double each = state.seconds / static_cast<double>(fresh);
  return text +
         fmt::format(", {} left", Duration(each * static_cast<double>(state.total - state.done)));
}

}  // namespace lockstep
