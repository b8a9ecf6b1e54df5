#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <tuple>

#include "bench/bench_report.h"
#include "bench/scaling/scaling_figures.h"
#include "bench/scaling/scaling_text.h"
#include "report/page.h"
#include "report/plot.h"

namespace lockstep {
namespace {

std::string Marked(const ScalingPoint& point) {
  return point.is_oversubscribed ? " (more threads than cores)" : "";
}

// The rounds of a figure as a point with its range.
PlotPoint RangeAt(double x, const std::vector<double>& rounds, double factor = 1.0) {
  const Spread spread = SpreadOf(rounds);
  return {.x = x,
          .y = factor * spread.median,
          .low = factor * spread.least,
          .high = factor * spread.most,
          .title = {}};
}

// Curves that share all but their batch and stages stand in one plot.
using PlotKey = std::tuple<ScalingStageName, bool, std::string, std::int64_t, std::int64_t>;
using PlotCurves = std::vector<std::pair<PlotKey, std::vector<const ScalingCurve*>>>;

PlotCurves ByPlot(const std::vector<ScalingCurve>& curves) {
  PlotCurves plots;
  for (const ScalingCurve& curve : curves) {
    const PlotKey key{curve.stage, curve.is_weak, curve.dtype, curve.prompt_tokens,
                      curve.new_tokens};
    if (plots.empty() || plots.back().first != key) plots.push_back({key, {}});
    plots.back().second.push_back(&curve);
  }
  return plots;
}

std::vector<double> RankTicks(const std::vector<const ScalingCurve*>& curves) {
  std::vector<double> ticks;
  for (const ScalingCurve* curve : curves)
    for (const CurvePoint& one : curve->points)
      ticks.push_back(static_cast<double>(one.point->key.ranks));
  std::ranges::sort(ticks);
  ticks.erase(std::unique(ticks.begin(), ticks.end()), ticks.end());
  return ticks;
}

std::string SeriesName(const ScalingCurve& curve) {
  return fmt::format("batch {}{}{}", curve.batch, curve.is_weak ? " per rank" : "",
                     StagesText(curve.stages));
}

PlotSeries SeriesOf(const ScalingCurve& curve, std::vector<double> CurvePoint::*figure,
                    std::string_view unit, double factor) {
  PlotSeries series{.name = SeriesName(curve), .points = {}, .style = SeriesStyle::kLine};
  for (const CurvePoint& one : curve.points) {
    PlotPoint point = RangeAt(static_cast<double>(one.point->key.ranks), one.*figure, factor);
    point.title = fmt::format("{}\n{}{}: {:.4g} {} ({:.4g} to {:.4g})", series.name,
                              RanksText(one.point->key.ranks, curve.stages), Marked(*one.point),
                              point.y, unit, *point.low, *point.high);
    series.points.push_back(std::move(point));
  }
  return series;
}

// From the first point of a curve on, in proportion to the ranks.
PlotSeries IdealOf(const ScalingCurve& curve, std::string name) {
  PlotSeries series{.name = std::move(name), .points = {}, .style = SeriesStyle::kDashed};
  const CurvePoint& base = curve.points.front();
  const double rate = SpreadOf(base.tokens_per_second).median;
  const auto first = static_cast<double>(base.point->key.ranks);
  for (const CurvePoint& one : curve.points) {
    const auto ranks = static_cast<double>(one.point->key.ranks);
    series.points.push_back({.x = ranks, .y = rate * ranks / first});
  }
  return series;
}

std::string PlotName(const PlotKey& key, std::string_view what) {
  const auto& [stage, weak, dtype, prompt_tokens, new_tokens] = key;
  return fmt::format("{}-{}-{}-prompt{}-new{}-{}.svg", weak ? "weak" : "strong", Name(stage), dtype,
                     prompt_tokens, new_tokens, what);
}

std::string PlotTitle(const PlotKey& key, std::string_view what) {
  const auto& [stage, weak, dtype, prompt_tokens, new_tokens] = key;
  return fmt::format("{}: {} ({}, prompt {}, {} new)", what, Name(stage), dtype, prompt_tokens,
                     new_tokens);
}

void AddCurves(const PlotKey& key, const std::vector<const ScalingCurve*>& curves,
               ReportPage& page) {
  const bool weak = std::get<1>(key);
  const Axis ranks{.label = "ranks", .scale = AxisScale::kLog, .ticks = RankTicks(curves)};
  LinePlot rates{.title = PlotTitle(key, weak ? "Weak scaling" : "Strong scaling"),
                 .x = ranks,
                 .y = {.label = "tokens/s", .scale = AxisScale::kLog},
                 .series = {}};
  LinePlot efficiency{.title = PlotTitle(key, "Parallel efficiency"),
                      .x = ranks,
                      .y = {.label = "efficiency, %", .start = AxisStart::kZero},
                      .series = {}};
  for (const ScalingCurve* curve : curves) {
    rates.series.push_back(SeriesOf(*curve, &CurvePoint::tokens_per_second, "tokens/s", 1.0));
    efficiency.series.push_back(SeriesOf(*curve, &CurvePoint::efficiency, "%", 100.0));
  }
  // One is enough: on logarithmic axes those of the other batches are parallel to it.
  const ScalingCurve& first = *curves.front();
  rates.series.push_back(
      IdealOf(first, curves.size() == 1 ? "ideal" : "ideal of " + SeriesName(first)));
  PlotSeries whole{.name = "ideal", .points = {}, .style = SeriesStyle::kDashed};
  for (const double tick : ranks.ticks) whole.points.push_back({.x = tick, .y = 100.0});
  // The same colour in both plots.
  efficiency.series.push_back(std::move(whole));
  page.AddPlot(DrawLines(rates), PlotName(key, "rate"));
  page.AddPlot(DrawLines(efficiency), PlotName(key, "efficiency"));
}

// What a step of each rank is made of, one plot for all points that differ in ranks, stages and
// batch.
void AddSplits(const ScalingResult& result, ScalingStageName name, ReportPage& page) {
  using Key = std::tuple<std::string, std::int64_t, std::int64_t>;
  std::map<Key, BarPlot> plots;
  for (const ScalingPoint& point : result.points) {
    const ScalingKey& key = point.key;
    const ScalingStage& stage = StageOf(point, name);
    const double steps = static_cast<double>(std::max<std::int64_t>(stage.steps, 1));
    for (std::size_t rank = 0; rank < stage.ranks.size(); ++rank) {
      BarPlot& plot = plots[{key.dtype, key.prompt_tokens, key.new_tokens}];
      const RankSplit& split = stage.ranks[rank];
      StackedBar bar{.label = fmt::format("rank {}", rank),
                     .values = {},
                     .group = fmt::format("batch {}, {}{}", key.sequences,
                                          RanksText(key.ranks, key.stages), Marked(point))};
      for (const SplitPart& part : kSplitParts)
        bar.values.push_back(1e3 * SpreadOf(split.*part.rounds).median / steps);
      plot.bars.push_back(std::move(bar));
    }
  }
  for (auto& [key, plot] : plots) {
    const auto& [dtype, prompt_tokens, new_tokens] = key;
    plot.title = fmt::format("A step: {} ({}, prompt {}, {} new)", Name(name), dtype, prompt_tokens,
                             new_tokens);
    plot.x.label = "ms per step, medians of the rounds";
    for (const SplitPart& part : kSplitParts) plot.parts.emplace_back(part.name);
    page.AddPlot(DrawBars(plot), fmt::format("split-{}-{}-prompt{}-new{}.svg", Name(name), dtype,
                                             prompt_tokens, new_tokens));
  }
}

// What a user has of it against what it costs.
void AddPareto(const ScalingResult& result, ReportPage& page) {
  std::map<std::tuple<std::string, std::int64_t, std::int64_t>, PlotSeries> series;
  std::vector<PlotPoint> all;
  for (const ScalingPoint& point : result.points) {
    const ScalingKey& key = point.key;
    const double rate = SpreadOf(FiguresOf(point.decode).tokens_per_second).median;
    PlotPoint place{.x = rate / static_cast<double>(key.sequences),
                    .y = rate / static_cast<double>(key.ranks)};
    place.title =
        fmt::format("{}, {}{}, batch {}, prompt {}\n{:.4g} tokens/s per user, {:.4g} per rank",
                    key.dtype, RanksText(key.ranks, key.stages), Marked(point), key.sequences,
                    key.prompt_tokens, place.x, place.y);
    PlotSeries& one = series[{key.dtype, key.stages, key.ranks}];
    one.name = fmt::format("{}, {}", key.dtype, RanksText(key.ranks, key.stages));
    one.style = SeriesStyle::kPoints;
    one.points.push_back(place);
    all.push_back(std::move(place));
  }
  LinePlot plot{.title = "Speed for each user against speed of each rank",
                .x = {.label = "tokens/s per user", .scale = AxisScale::kLog},
                .y = {.label = "tokens/s per rank", .scale = AxisScale::kLog},
                .series = {}};
  for (auto& [key, one] : series) plot.series.push_back(std::move(one));
  plot.series.push_back(
      {.name = "Pareto front", .points = ParetoFront(all), .style = SeriesStyle::kDashed});
  page.AddPlot(DrawLines(plot), "pareto.svg");
}

std::string WithRange(const std::vector<double>& rounds, double factor, int digits) {
  if (rounds.empty()) return "-";
  const Spread spread = SpreadOf(rounds);
  return fmt::format("{:.{}f} ({:.{}f} to {:.{}f})", factor * spread.median, digits,
                     factor * spread.least, digits, factor * spread.most, digits);
}

std::string Median(const std::vector<double>& rounds, double factor, int digits) {
  if (rounds.empty()) return "-";
  return fmt::format("{:.{}f}", factor * SpreadOf(rounds).median, digits);
}

void AddCurveTable(const ScalingCurve& curve, ReportPage& page) {
  ReportTable table{.caption = TitleOf(curve) + "; medians (least to most)",
                    .columns = {"ranks", "tokens/s", "efficiency %", "ms per step", "speedup",
                                "all-reduce %", "waiting %", "imbalance %", "remarks"},
                    .rows = {}};
  for (const CurvePoint& one : curve.points) {
    const StageFigures figures = FiguresOf(StageOf(*one.point, curve.stage));
    table.rows.push_back(
        {fmt::format("{}", one.point->key.ranks), WithRange(one.tokens_per_second, 1.0, 2),
         WithRange(one.efficiency, 100.0, 1), Median(figures.step_ms, 1.0, 3),
         Median(one.speedup, 1.0, 2), Median(figures.communication_share, 100.0, 1),
         Median(figures.waiting_share, 100.0, 1), Median(figures.imbalance, 100.0, 1),
         one.point->is_oversubscribed ? "oversubscribed" : ""});
  }
  page.AddTable(table);
}

void AddAbout(const ScalingResult& result, ReportPage& page) {
  std::vector<std::pair<std::string, std::string>> facts{{"model", result.model},
                                                         {"weights", result.weights}};
  for (const auto& [name, value] : result.about.items())
    facts.emplace_back(name, value.is_string() ? value.get<std::string>() : value.dump());
  page.AddFacts(facts);
}

}  // namespace

std::string ScalingPage(const ScalingResult& result) {
  ReportPage page("Scaling of " + result.model);
  AddAbout(result, page);
  if (result.is_interrupted)
    page.AddParagraph("The measurement was interrupted: this is what there was until then.");
  if (result.points.empty()) {
    page.AddParagraph("Nothing was measured.");
    return page.Html();
  }
  if (std::ranges::any_of(result.points, &ScalingPoint::is_oversubscribed))
    page.AddParagraph(
        "Points marked as oversubscribed have more threads than cores: their ranks take turns.");
  const std::vector<ScalingCurve> curves = CurvesOf(result);
  page.AddHeading("Scaling");
  for (const auto& [key, some] : ByPlot(curves)) AddCurves(key, some, page);
  page.AddHeading("What steps are spent on");
  const bool is_split = std::ranges::any_of(
      result.points, [](const ScalingPoint& point) { return !point.decode.ranks.empty(); });
  if (!is_split) page.AddParagraph("The host does not see it: devices do the work.");
  if (is_split)
    page.AddParagraph(
        "Seconds of each rank's leading thread. All-reduce is the sum itself; waiting is for a "
        "rank that has not come yet: to a sum, with the next step, or with its answer.");
  AddSplits(result, ScalingStageName::kDecode, page);
  AddSplits(result, ScalingStageName::kPrefill, page);
  page.AddHeading("Throughput against latency");
  AddPareto(result, page);
  page.AddHeading("Figures");
  for (const ScalingCurve& curve : curves) AddCurveTable(curve, page);
  return page.Html();
}

}  // namespace lockstep
