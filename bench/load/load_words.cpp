#include "bench/load/load_words.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "core/error.h"
#include "runtime/options/option_types.h"
#include "runtime/options/words/nearest.h"
#include "runtime/options/words/word_list.h"

namespace lockstep {
namespace {

constexpr std::int64_t kMostTokens = 1 << 20;

template <typename Number>
std::optional<Number> NumberIn(std::string_view text) {
  Number number{};
  const char* end = text.data() + text.size();
  const auto result = std::from_chars(text.data(), end, number);
  if (result.ec != std::errc() || result.ptr != end) return std::nullopt;
  return number;
}

[[noreturn]] void RefuseLengths(std::string_view text, std::string_view flag) {
  throw BadInput(
      "{} is {}; expected a number of tokens from 1 to {}, uniform:LEAST-MOST, or "
      "lognormal:MEDIAN,SIGMA[,MOST]",
      flag, QuotedText(text), kMostTokens);
}

bool IsLength(std::optional<std::int64_t> number) {
  return number && *number >= 1 && *number <= kMostTokens;
}

std::optional<LengthDistribution> UniformOf(std::string_view words) {
  const auto ends = SplitAt(words, '-');
  if (ends.size() != 2) return std::nullopt;
  const auto least = NumberIn<std::int64_t>(ends[0]);
  const auto most = NumberIn<std::int64_t>(ends[1]);
  if (!IsLength(least) || !IsLength(most) || *least > *most) return std::nullopt;
  return LengthDistribution{
      .kind = LengthDistribution::Kind::kUniform, .first = *least, .last = *most};
}

std::optional<LengthDistribution> LognormalOf(std::string_view words) {
  const auto numbers = SplitAt(words, ',');
  if (numbers.size() != 2 && numbers.size() != 3) return std::nullopt;
  const auto median = NumberIn<std::int64_t>(numbers[0]);
  const auto sigma = NumberIn<double>(numbers[1]);
  const auto most = numbers.size() == 3 ? NumberIn<std::int64_t>(numbers[2]) : kMostTokens;
  if (!IsLength(median) || !IsLength(most) || *most < *median) return std::nullopt;
  if (!sigma || !(*sigma >= 0.0 && *sigma <= 10.0)) return std::nullopt;
  return LengthDistribution{.kind = LengthDistribution::Kind::kLognormal,
                            .first = *median,
                            .last = *most,
                            .sigma = *sigma};
}

// Of "500ms", "0.5s" or "500" (milliseconds).
std::optional<double> SecondsIn(std::string_view text) {
  double unit = 1e-3;
  if (text.ends_with("ms")) {
    text.remove_suffix(2);
  } else if (text.ends_with('s')) {
    text.remove_suffix(1);
    unit = 1.0;
  }
  const auto number = NumberIn<double>(text);
  if (!number || !std::isfinite(*number) || *number < 0.0) return std::nullopt;
  return unit * *number;
}

std::optional<double>& MemberOf(LatencyTarget& target, std::string_view name) {
  if (name == "ttft") return target.ttft;
  if (name == "tpot") return target.tpot;
  if (name == "e2el") return target.e2el;
  throw BadInput(
      "--goodput: there is no latency {}; the nearest is {}, all are ttft (time to first token), "
      "tpot (time per output token) and e2el (end-to-end latency)",
      QuotedText(name), NearestName(name, {"ttft", "tpot", "e2el"}));
}

}  // namespace

LengthDistribution ParseLengths(std::string_view text, std::string_view flag) {
  constexpr std::string_view kUniform = "uniform:";
  constexpr std::string_view kLognormal = "lognormal:";
  std::optional<LengthDistribution> lengths;
  if (text.starts_with(kUniform)) {
    lengths = UniformOf(text.substr(kUniform.size()));
  } else if (text.starts_with(kLognormal)) {
    lengths = LognormalOf(text.substr(kLognormal.size()));
  } else if (const auto number = NumberIn<std::int64_t>(text); IsLength(number)) {
    lengths = LengthDistribution{.first = *number, .last = *number};
  }
  if (!lengths) RefuseLengths(text, flag);
  return *lengths;
}

LatencyTarget ParseTarget(std::string_view text) {
  LatencyTarget target;
  std::string words(text);
  std::replace(words.begin(), words.end(), ' ', ',');
  for (const std::string_view word : SplitAt(words, ',')) {
    const auto colon = word.find(':');
    if (colon == word.npos)
      throw BadInput("--goodput: {} is no latency and its limit; expected such as ttft:500ms",
                     QuotedText(word));
    std::optional<double>& member = MemberOf(target, word.substr(0, colon));
    const auto seconds = SecondsIn(word.substr(colon + 1));
    if (!seconds)
      throw BadInput("--goodput: the limit of {} is {}; expected such as 500ms or 0.5s",
                     word.substr(0, colon), QuotedText(word.substr(colon + 1)));
    if (member) throw BadInput("--goodput: {} is given twice; give it once", word.substr(0, colon));
    member = *seconds;
  }
  return target;
}

std::vector<double> ParsePercentiles(std::string_view text) {
  std::vector<double> percentiles;
  for (const std::string_view word : SplitAt(text, ',')) {
    const auto number = NumberIn<double>(word);
    if (!number || !(*number >= 0.0 && *number <= 100.0))
      throw BadInput("--percentiles is {}; expected numbers from 0 to 100, such as 50,90,99",
                     QuotedText(text));
    percentiles.push_back(*number);
  }
  std::sort(percentiles.begin(), percentiles.end());
  percentiles.erase(std::unique(percentiles.begin(), percentiles.end()), percentiles.end());
  return percentiles;
}

std::pair<std::int32_t, std::int32_t> ParseIds(std::string_view text) {
  const auto ends = SplitAt(text, '-');
  const auto first = NumberIn<std::int32_t>(ends.front());
  const auto last = NumberIn<std::int32_t>(ends.back());
  if (ends.size() != 2 || !first || !last || *first < 0 || *first > *last)
    throw BadInput("--prompt-ids is {}; expected the first and the last id, such as 300-500",
                   QuotedText(text));
  return {*first, *last};
}

std::string Shown(const LengthDistribution& lengths) {
  switch (lengths.kind) {
    case LengthDistribution::Kind::kFixed: return fmt::format("{}", lengths.first);
    case LengthDistribution::Kind::kUniform:
      return fmt::format("uniform:{}-{}", lengths.first, lengths.last);
    case LengthDistribution::Kind::kLognormal: break;
  }
  const std::string most = lengths.last == kMostTokens ? "" : fmt::format(",{}", lengths.last);
  return fmt::format("lognormal:{},{}{}", lengths.first, lengths.sigma, most);
}

std::string Shown(const LatencyTarget& target) {
  std::string words;
  const auto add = [&](std::string_view name, const std::optional<double>& seconds) {
    if (!seconds) return;
    words += fmt::format("{}{}:{:g}ms", words.empty() ? "" : ",", name, 1e3 * *seconds);
  };
  add("ttft", target.ttft);
  add("tpot", target.tpot);
  add("e2el", target.e2el);
  return words;
}

}  // namespace lockstep
