#include "bench/scaling/scaling_text.h"

#include <fmt/format.h>

#include <algorithm>

#include "bench/bench_report.h"
#include "bench/scaling/scaling_figures.h"

namespace lockstep {
namespace {

// Four digits or so: rounds differ in the third.
std::string Rate(double per_second) {
  return fmt::format("{:.{}f}", per_second, per_second < 10 ? 3 : per_second < 1000 ? 1 : 0);
}

std::string Percent(const std::vector<double>& shares) {
  return shares.empty() ? "-" : fmt::format("{:.1f} %", 100.0 * SpreadOf(shares).median);
}

std::string CurveText(const ScalingCurve& curve) {
  std::string text =
      fmt::format("\n{}\n{:>6}{:>11} {:>23}{:>9}{:>9}{:>10}{:>9}\n", TitleOf(curve), "ranks",
                  "tokens/s", "(least to most)", "speedup", "effic.", "all-red.", "waiting");
  for (const CurvePoint& one : curve.points) {
    const StageFigures figures = FiguresOf(StageOf(*one.point, curve.stage));
    const Spread rate = SpreadOf(one.tokens_per_second);
    const std::string ranks =
        fmt::format("{}{}", one.point->key.ranks, one.point->is_oversubscribed ? "*" : "");
    text += fmt::format("{:>6}{:>11} {:>23}{:>9.2f}{:>9}{:>10}{:>9}\n", ranks, Rate(rate.median),
                        fmt::format("({} to {})", Rate(rate.least), Rate(rate.most)),
                        SpreadOf(one.speedup).median, Percent(one.efficiency),
                        Percent(figures.communication_share), Percent(figures.waiting_share));
  }
  return text;
}

// A rank's part of a step, in ms.
double StepMs(const std::vector<double>& seconds, const ScalingStage& stage) {
  return 1e3 * SpreadOf(seconds).median /
         static_cast<double>(std::max<std::int64_t>(stage.steps, 1));
}

std::string SplitLines(const ScalingPoint& point, ScalingStageName name) {
  const ScalingStage& stage = StageOf(point, name);
  std::string text;
  for (std::size_t rank = 0; rank < stage.ranks.size(); ++rank) {
    const std::string place =
        fmt::format("{}/{}{}", rank, point.key.ranks, point.is_oversubscribed ? "*" : "");
    text += fmt::format("{:>8}{:>7}", place, point.key.sequences);
    for (const SplitPart& part : kSplitParts)
      text += fmt::format("{:>11.3f}", StepMs(stage.ranks[rank].*part.rounds, stage));
    text += "\n";
  }
  return text;
}

std::string SplitText(const ScalingResult& result, ScalingStageName name) {
  std::string text;
  std::string group;
  for (const ScalingPoint& point : result.points) {
    const std::string lines = SplitLines(point, name);
    if (lines.empty()) continue;
    const ScalingKey& key = point.key;
    const std::string title =
        fmt::format("{}, {}, prompt {}, {} new tokens{}", Name(name), key.dtype, key.prompt_tokens,
                    key.new_tokens, StagesText(key.stages));
    if (title != group) {
      text += fmt::format("\nms of a step: {}\n{:>8}{:>7}", title, "rank", "batch");
      for (const SplitPart& part : kSplitParts) text += fmt::format("{:>11}", part.name);
      text += "\n";
    }
    group = title;
    text += lines;
  }
  return text;
}

// From and to what the splits add up to, as shares of the time.
std::string SplitSum(const ScalingResult& result) {
  std::vector<double> sums;
  for (const ScalingPoint& point : result.points)
    for (const ScalingStageName stage : {ScalingStageName::kPrefill, ScalingStageName::kDecode}) {
      const std::vector<double> some = FiguresOf(StageOf(point, stage)).split_over_time;
      sums.insert(sums.end(), some.begin(), some.end());
    }
  if (sums.empty())
    return "\nWhat steps are spent on the host does not see: devices do the work.\n";
  const Spread spread = SpreadOf(sums);
  return fmt::format("\nThe parts add up to {:.2f} to {:.2f} % of the time.\n",
                     100.0 * spread.least, 100.0 * spread.most);
}

}  // namespace

std::string ScalingText(const ScalingResult& result) {
  std::string text = fmt::format("{}, {} weights\n", result.model,
                                 result.weights == "random" ? "random" : "the checkpoint's");
  if (result.is_interrupted) text += "interrupted: this is what was measured so far\n";
  if (result.points.empty()) return text + "nothing was measured\n";
  for (const ScalingCurve& curve : CurvesOf(result)) text += CurveText(curve);
  text += SplitText(result, ScalingStageName::kDecode);
  text += SplitText(result, ScalingStageName::kPrefill);
  text += SplitSum(result);
  if (std::ranges::any_of(result.points, &ScalingPoint::is_oversubscribed))
    text += "* more threads than cores\n";
  return text;
}

}  // namespace lockstep
