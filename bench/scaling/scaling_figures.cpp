#include "bench/scaling/scaling_figures.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <tuple>

namespace lockstep {
namespace {

// What the ranks have in one round.
struct RoundTimes {
  double whole = 0.0;       // of all ranks together
  double all_reduce = 0.0;  // the same
  double waiting = 0.0;
  double busiest = 0.0;
  double busy = 0.0;   // of all ranks together
  double first = 0.0;  // rank 0's whole
};

RoundTimes TimesOf(const ScalingStage& stage, std::size_t round) {
  RoundTimes times;
  for (const RankSplit& rank : stage.ranks) {
    const double busy = rank.products[round] + rank.attention[round] + rank.other[round];
    const double whole = busy + rank.all_reduce[round] + rank.waiting[round];
    if (&rank == stage.ranks.data()) times.first = whole;
    times.whole += whole;
    times.all_reduce += rank.all_reduce[round];
    times.waiting += rank.waiting[round];
    times.busy += busy;
    times.busiest = std::max(times.busiest, busy);
  }
  return times;
}

double Ratio(double value, double of) { return of > 0.0 ? value / of : 0.0; }

std::vector<double> Ratios(const std::vector<double>& values, const std::vector<double>& of,
                           double factor) {
  std::vector<double> ratios;
  for (std::size_t i = 0; i < std::min(values.size(), of.size()); ++i)
    ratios.push_back(factor * Ratio(values[i], of[i]));
  return ratios;
}

void Finish(ScalingCurve& curve) {
  std::ranges::sort(curve.points, {}, [](const CurvePoint& one) { return one.point->key.ranks; });
  const CurvePoint& base = curve.points.front();
  for (CurvePoint& one : curve.points) {
    const double ranks = static_cast<double>(one.point->key.ranks);
    const double first = static_cast<double>(base.point->key.ranks);
    one.speedup = Ratios(one.tokens_per_second, base.tokens_per_second, 1.0);
    one.efficiency = Ratios(one.tokens_per_second, base.tokens_per_second, first / ranks);
  }
}

}  // namespace

StageFigures FiguresOf(const ScalingStage& stage) {
  StageFigures figures;
  for (std::size_t round = 0; round < stage.seconds.size(); ++round) {
    const double seconds = stage.seconds[round];
    figures.tokens_per_second.push_back(Ratio(static_cast<double>(stage.tokens), seconds));
    figures.step_ms.push_back(Ratio(1e3 * seconds, static_cast<double>(stage.steps)));
    if (stage.ranks.empty()) continue;
    const RoundTimes times = TimesOf(stage, round);
    const double mean = times.busy / static_cast<double>(stage.ranks.size());
    figures.communication_share.push_back(Ratio(times.all_reduce, times.whole));
    figures.waiting_share.push_back(Ratio(times.waiting, times.whole));
    figures.imbalance.push_back(mean > 0.0 ? times.busiest / mean - 1.0 : 0.0);
    figures.split_over_time.push_back(Ratio(times.first, seconds));
  }
  return figures;
}

std::string_view Name(ScalingStageName stage) {
  return stage == ScalingStageName::kPrefill ? "prefill" : "decode";
}

const ScalingStage& StageOf(const ScalingPoint& point, ScalingStageName stage) {
  return stage == ScalingStageName::kPrefill ? point.prefill : point.decode;
}

std::vector<ScalingCurve> CurvesOf(const ScalingResult& result) {
  using Order = std::tuple<ScalingStageName, bool, std::string, std::int64_t, std::int64_t,
                           std::int64_t, std::int64_t>;
  std::map<Order, ScalingCurve> curves;
  const auto add = [&](const ScalingPoint& point, ScalingStageName stage, bool weak,
                       std::int64_t batch) {
    const auto& batches = result.options.batch_sizes;
    if (std::ranges::find(batches, batch) == batches.end()) return;
    const ScalingKey& key = point.key;
    ScalingCurve& curve =
        curves[{stage, weak, key.dtype, key.prompt_tokens, key.new_tokens, batch, key.stages}];
    curve = {.is_weak = weak,
             .stage = stage,
             .dtype = key.dtype,
             .prompt_tokens = key.prompt_tokens,
             .new_tokens = key.new_tokens,
             .batch = batch,
             .stages = key.stages,
             .points = std::move(curve.points)};
    curve.points.push_back({.point = &point,
                            .tokens_per_second = FiguresOf(StageOf(point, stage)).tokens_per_second,
                            .speedup = {},
                            .efficiency = {}});
  };
  for (const ScalingPoint& point : result.points)
    for (const ScalingStageName stage : {ScalingStageName::kDecode, ScalingStageName::kPrefill}) {
      const std::int64_t sequences = point.key.sequences;
      const std::int64_t ranks = point.key.ranks;
      if (result.options.is_strong()) add(point, stage, false, sequences);
      if (result.options.is_weak() && sequences % ranks == 0)
        add(point, stage, true, sequences / ranks);
    }
  std::vector<ScalingCurve> all;
  for (const ScalingStageName stage : {ScalingStageName::kDecode, ScalingStageName::kPrefill})
    for (auto& [order, curve] : curves)
      if (curve.stage == stage) {
        Finish(curve);
        all.push_back(std::move(curve));
      }
  return all;
}

std::string StagesText(std::int64_t stages) {
  return stages == 1 ? "" : fmt::format(", {} stages", stages);
}

std::string TitleOf(const ScalingCurve& curve) {
  return fmt::format("{}: {}, {}, batch {}{}, prompt {}, {} new tokens{}",
                     curve.is_weak ? "weak" : "strong", Name(curve.stage), curve.dtype, curve.batch,
                     curve.is_weak ? " per rank" : "", curve.prompt_tokens, curve.new_tokens,
                     StagesText(curve.stages));
}

}  // namespace lockstep
