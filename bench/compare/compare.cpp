#include "bench/compare/compare.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>

#include "bench/bench_report.h"
#include "bench/compare/rank_test.h"
#include "core/error.h"
#include "core/files/file.h"
#include "runtime/standard_streams.h"

namespace lockstep {
namespace {

constexpr int kSlowerExitCode = 5;
constexpr double kLeastChange = 0.01;
constexpr double kLevel = 0.05;
constexpr std::size_t kTestRounds = 4;  // of fewer no outcome has a p below the level

enum class Better { kMore, kLess, kNeither };

// Which way is better, as far as a name tells.
Better BetterOf(std::string_view name) {
  const auto has = [&](std::string_view word) { return name.find(word) != name.npos; };
  // What the machine could do, and how much was asked for, is not what became faster.
  for (const char* word : {"ceilings/", "completed", "total_", "max_concurrent", "std_"})
    if (has(word) && !has("of_ceilings") && !has("total_token_throughput")) return Better::kNeither;
  for (const char* word :
       {"throughput", "goodput", "per_s", "of_ceilings", "efficiency", "mpi_over_lockstep", "rate"})
    if (has(word)) return Better::kMore;
  if (has("mpi_us")) return Better::kNeither;  // another program's
  for (const char* word : {"_ms", "_us", "seconds", "duration", "failed", "_time", "latency"})
    if (has(word)) return Better::kLess;
  return Better::kNeither;
}

using Figures = std::map<std::string, std::vector<double>>;

// What tells one of a list from the others: the words and whole numbers that it begins with.
std::string LabelOf(const Json& one) {
  std::string label;
  for (const auto& [name, value] : one.items()) {
    if (!value.is_string() && !value.is_number_integer()) continue;
    const std::string text =
        value.is_string() ? value.get<std::string>() : fmt::format("{} {}", name, value.dump());
    label += (label.empty() ? "" : " ") + text;
  }
  return label;
}

bool IsFigure(const Json& value) {
  if (!value.is_object() || !value.contains("rounds")) return false;
  const Json& rounds = value["rounds"];
  return rounds.is_array() && !rounds.empty() &&
         std::all_of(rounds.begin(), rounds.end(), [](const Json& r) { return r.is_number(); });
}

void Collect(const Json& value, const std::string& path, Figures& figures) {
  const std::string prefix = path.empty() ? "" : path + "/";
  if (IsFigure(value)) {
    const bool is_listed = value.contains("ceiling") || value.contains("name");
    figures[is_listed ? prefix + LabelOf(value) : path] =
        value["rounds"].get<std::vector<double>>();
  } else if (value.is_object()) {
    for (const auto& [name, member] : value.items()) Collect(member, prefix + name, figures);
  } else if (value.is_array()) {
    for (const Json& one : value) {
      if (!one.is_object()) continue;
      Collect(one, IsFigure(one) ? path : prefix + LabelOf(one), figures);
    }
  }
}

Change Judged(const Comparison& one, Better better) {
  if (one.before.size() < 2 || one.after.size() < 2) return Change::kUnknown;
  const Spread before = SpreadOf(one.before);
  const Spread after = SpreadOf(one.after);
  bool is_real = one.p < kLevel;
  if (std::min(one.before.size(), one.after.size()) < kTestRounds) {
    const double gap = std::max(after.least - before.most, before.least - after.most);
    is_real = gap > std::max(before.most - before.least, after.most - after.least);
  }
  if (!is_real || std::abs(one.change) < kLeastChange) return Change::kNone;
  return (one.change > 0.0) == (better == Better::kMore) ? Change::kFaster : Change::kSlower;
}

Comparison Compared(const std::string& name, const std::vector<double>& before,
                    const std::vector<double>& after) {
  Comparison one{.name = name, .before = before, .after = after};
  const double old = SpreadOf(before).median;
  const double now = SpreadOf(after).median;
  one.change = old != 0.0 ? now / old - 1.0 : (now == 0.0 ? 0.0 : HUGE_VAL);
  one.p = RankTest(before, after);
  one.verdict = Judged(one, BetterOf(name));
  return one;
}

// Members of the same name that differ; those of one run alone, its date and its name, always do.
void NoteDifferences(const Json& before, const Json& after, const std::string& path,
                     std::vector<std::string>& notes) {
  if (before.is_object() && after.is_object()) {
    for (const auto& [name, value] : before.items())
      if (after.contains(name) && name != "date" && name != "command")
        NoteDifferences(value, after[name], path.empty() ? name : fmt::format("{}.{}", path, name),
                        notes);
    return;
  }
  if (before != after && !before.is_array())
    notes.push_back(fmt::format("{}: {} and {}", path, ShownJson(before), ShownJson(after)));
}

// A load's 50th percentile where it is among those asked for: "p50_ttft_ms" beside
// "median_ttft_ms".
bool IsMedianAgain(std::string name, const Figures& figures) {
  constexpr std::string_view kPercentile = "p50_";
  const auto at = name.find(kPercentile);
  return at != name.npos && figures.contains(name.replace(at, kPercentile.size(), "median_"));
}

// Throws BadInput for JSON that no bench has written.
void CheckIsResult(const Json& result, const std::string& file) {
  // Those of decode, prefill, batch and comm name it in each case.
  if (!result.is_object() || (!result.contains("benchmark") && !result.contains("cases")))
    throw BadInput(
        "bench compare: {} is no result of lockstep bench; expected a file of its --json", file);
}

std::string KindOf(const Json& result, std::string_view which) {
  if (!result.is_object())
    throw BadInput("bench compare: the {} file is no result of lockstep bench", which);
  const auto kind = result.find("benchmark");
  return kind != result.end() && kind->is_string() ? kind->get<std::string>() : "";
}

const char* NameOf(Change change) {
  switch (change) {
    case Change::kNone: return "";
    case Change::kFaster: return "faster";
    case Change::kSlower: return "SLOWER";
    case Change::kUnknown: break;
  }
  return "?";
}

// Of what is below one, such as the seconds of a step, the first digits count, not the third
// decimal.
std::string FigureText(double value) {
  return value != 0.0 && std::abs(value) < 1.0 ? fmt::format("{:.4g}", value)
                                               : fmt::format("{:.3f}", value);
}

std::string Line(const Comparison& one) {
  const std::string change = std::isfinite(one.change)
                                 ? fmt::format("{:+.1f} %", 100.0 * one.change)
                                 : std::string("from 0");
  const bool fits = one.name.size() <= 31;
  return fmt::format("{}{:<31}{:>12}{:>12}{:>10}{:>7.3f}  {}\n", fits ? "" : one.name + "\n",
                     fits ? one.name : "", FigureText(SpreadOf(one.before).median),
                     FigureText(SpreadOf(one.after).median), change, one.p, NameOf(one.verdict));
}

std::int64_t CountOf(const CompareReport& report, Change verdict) {
  return std::count_if(report.figures.begin(), report.figures.end(),
                       [&](const Comparison& one) { return one.verdict == verdict; });
}

}  // namespace

CompareReport CompareResults(const Json& before, const Json& after) {
  const std::string kind = KindOf(before, "first");
  if (kind != KindOf(after, "second"))
    throw BadInput("bench compare: results of two benchmarks, {} and {}; expected the same",
                   ShownJson(kind), ShownJson(KindOf(after, "second")));
  Figures old;
  Figures now;
  Collect(before, "", old);
  Collect(after, "", now);
  CompareReport report;
  for (const auto& [name, values] : old) {
    const auto found = now.find(name);
    if (found == now.end() || BetterOf(name) == Better::kNeither) continue;
    if (IsMedianAgain(name, old)) continue;
    report.figures.push_back(Compared(name, values, found->second));
  }
  if (report.figures.empty())
    throw BadInput(
        "bench compare: the two results have no figures in common; expected files of --json of the "
        "same benchmark");
  for (const char* part : {"about", "load", "model", "dtype", "ranks", "threads_per_rank"})
    if (before.contains(part) && after.contains(part))
      NoteDifferences(before[part], after[part], part, report.notes);
  return report;
}

std::string CompareText(const CompareReport& report, const CompareOptions& options) {
  std::string text = fmt::format("A: {}\nB: {}\n", options.before, options.after);
  for (const std::string& note : report.notes) text += fmt::format("differs: {}\n", note);
  text += fmt::format("\n{:<31}{:>12}{:>12}{:>10}{:>7}\n", "median of the rounds", "A", "B",
                      "change", "p");
  for (const Comparison& one : report.figures) text += Line(one);
  text += fmt::format(
      "\n{} faster, {} slower. The test: Mann-Whitney, two-sided, p < {:.2f}, and medians\n"
      "{:.0f} % apart; of 2 or 3 rounds: ranges further apart than either is wide.\n",
      CountOf(report, Change::kFaster), CountOf(report, Change::kSlower), kLevel,
      100.0 * kLeastChange);
  if (CountOf(report, Change::kUnknown) > 0)
    text += "?: one round alone says nothing of the noise; measure with --rounds 5.\n";
  return text;
}

int RunCompare(const CompareOptions& options) {
  const Json before = ParseJson(ReadStream(options.before), options.before);
  const Json after = ParseJson(ReadStream(options.after), options.after);
  CheckIsResult(before, options.before);
  CheckIsResult(after, options.after);
  const CompareReport report = CompareResults(before, after);
  WriteStandardOutput(CompareText(report, options));
  const bool fails = options.slower == SlowerRule::kFails && CountOf(report, Change::kSlower) > 0;
  return fails ? kSlowerExitCode : static_cast<int>(ExitCode::kOk);
}

}  // namespace lockstep
