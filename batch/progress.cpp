#include "batch/progress.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "runtime/progress/duration_text.h"

namespace lockstep {
namespace {

// Each group's lines as long as they fit on a terminal.
std::string Groups(const std::vector<std::int64_t>& groups) {
  constexpr std::size_t kShown = 8;
  if (groups.empty()) return "";
  if (groups.size() <= kShown)
    return fmt::format(" ({} groups: {})", groups.size(), fmt::join(groups, " + "));
  const auto [least, most] = std::minmax_element(groups.begin(), groups.end());
  return fmt::format(" ({} groups: {} to {} each)", groups.size(), *least, *most);
}

std::string Counts(const ProgressState& state) {
  return fmt::format("{} of {} {}{}", state.done, state.total, state.unit, Groups(state.groups));
}

}  // namespace

std::string ProgressText(const ProgressState& state) {
  std::string text = Counts(state);
  if (state.in_work > 0 && state.done < state.total)
    text += fmt::format(", {} in work", state.in_work);
  if (state.seconds <= 0.0 || state.tokens == 0) return text;
  const auto tokens = static_cast<double>(state.tokens);
  const double rate =
      state.tokens_per_second > 0.0 ? state.tokens_per_second : tokens / state.seconds;
  text += fmt::format(", {:.0f} tokens/s", rate);
  const std::int64_t fresh = state.done - state.resumed;
  if (fresh <= 0 || state.done >= state.total) return text;
  const double tokens_left =
      tokens / static_cast<double>(fresh) * static_cast<double>(state.total - state.done);
  return text + fmt::format(", {} left", DurationText(tokens_left / rate));
}

std::string TotalsText(const ProgressState& state, std::int64_t failed) {
  std::string text = Counts(state);
  if (state.resumed > 0) text += fmt::format(", {} done before", state.resumed);
  if (failed > 0) text += fmt::format(", {} failed", failed);
  text += fmt::format(": {} tokens in {:.1f} s", state.tokens, state.seconds);
  if (state.seconds <= 0.0 || state.tokens == 0) return text;
  return text + fmt::format(", {:.0f} tokens/s", static_cast<double>(state.tokens) / state.seconds);
}

}  // namespace lockstep
