#include "runtime/spawn/elastic_world.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <sstream>

#include "core/error.h"
#include "core/log.h"
#include "runtime/world/world.h"

namespace lockstep {
namespace {

// A world that has lived so long has done something: the next end is another matter.
constexpr std::chrono::seconds kSettled{60};
constexpr int kLivesOfALayout = 2;

// Whether half as many ranks add up in the same order (docs/dev/numerics.md). A job does not go on
// with other sums.
bool HasCommonSums(int ranks) {
  constexpr std::array kCounts{1, 2, 4, 8};
  return std::ranges::find(kCounts, ranks) != kCounts.end();
}

std::string ToText(const ElasticStart& start) {
  const WorldLayout& layout = start.layout;
  return fmt::format("{} {} {} {}", layout.tensor, layout.pipeline, layout.copies,
                     start.earlier_worlds);
}

}  // namespace

std::optional<WorldLayout> NextSmaller(const WorldLayout& layout) {
  WorldLayout smaller = layout;
  if (layout.copies > 1)
    --smaller.copies;
  else if (layout.tensor > 1)
    smaller.tensor /= 2;
  else if (layout.pipeline > 1)
    smaller.pipeline /= 2;
  else
    return std::nullopt;
  return smaller;
}

std::string Describe(const WorldLayout& layout) {
  const auto counted = [](int count, std::string_view what) {
    return fmt::format("{} {}{}", count, what, count == 1 ? "" : "s");
  };
  std::string text = counted(layout.tensor, "rank");
  if (layout.pipeline > 1) text = counted(layout.pipeline, "stage") + " of " + text;
  return layout.copies > 1 ? fmt::format("{} copies of {}", layout.copies, text) : text;
}

bool ElasticPlan::StartsAgain(int exit_code, std::chrono::duration<double> lived) {
  if (exit_code != static_cast<int>(ExitCode::kRankFailure)) return false;
  short_lives_ = lived < kSettled ? short_lives_ + 1 : 1;
  if (short_lives_ < kLivesOfALayout) return true;
  short_lives_ = 0;
  const std::optional<WorldLayout> smaller = NextSmaller(layout_);
  if (!smaller || (smaller->tensor != layout_.tensor && !HasCommonSums(layout_.tensor)))
    return false;
  layout_ = *smaller;
  return true;
}

int SpawnElasticWorld(SpawnOptions options, const WorldLayout& layout,
                      std::span<const std::string> arguments) {
  ElasticPlan plan(layout);
  for (int world = 0;; ++world) {
    options.ranks = plan.layout().ranks();
    ::setenv(kLayoutVariable, ToText({plan.layout(), world}).c_str(), 1);
    const auto start = std::chrono::steady_clock::now();
    const int code = SpawnWorld(options, arguments);
    if (!plan.StartsAgain(code, std::chrono::steady_clock::now() - start)) return code;
    LogWarning("--elastic: starting again with {}", Describe(plan.layout()));
  }
}

std::optional<ElasticStart> ElasticStart::OfThisWorld() {
  const char* text = std::getenv(kLayoutVariable);
  if (text == nullptr || !InsideWorld()) return std::nullopt;
  std::istringstream stream(text);
  ElasticStart start;
  WorldLayout& layout = start.layout;
  if (stream >> layout.tensor >> layout.pipeline >> layout.copies >> start.earlier_worlds)
    return start;
  throw EnvironmentError("{} is \"{}\", which --elastic has not set; unset it", kLayoutVariable,
                         text);
}

}  // namespace lockstep
