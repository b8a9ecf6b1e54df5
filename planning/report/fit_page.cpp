#include "planning/report/fit_page.h"

#include <fmt/format.h>

#include <algorithm>

#include "planning/report/quantities.h"
#include "report/page.h"
#include "report/plot.h"

namespace lockstep {
namespace {

PlotSeries PointsOf(const Calibration& calibration, bool prompts, bool unseen, const char* name) {
  PlotSeries series{.name = name, .points = {}, .style = SeriesStyle::kPoints};
  for (const FittedPoint& one : calibration.points) {
    if (one.point.of_prompts != prompts) continue;
    const double predicted = unseen ? one.unseen.value_or(one.fitted) : one.fitted;
    const double off = unseen ? one.unseen_off().value_or(one.off()) : one.off();
    const double measured = one.point.tokens_per_second;
    series.points.push_back(
        {.x = measured,
         .y = predicted,
         .title = fmt::format("{}: measured {}, predicted {} ({})", one.point.name,
                              RateText(measured), RateText(predicted), OffText(off))});
  }
  return series;
}

// Where prediction and measurement are equal, and off by so much.
PlotSeries LineOf(const Calibration& calibration, double factor, std::string name) {
  double least = calibration.points.front().point.tokens_per_second, most = least;
  for (const FittedPoint& one : calibration.points) {
    least = std::min(least, one.point.tokens_per_second);
    most = std::max(most, one.point.tokens_per_second);
  }
  return {.name = std::move(name),
          .points = {{.x = least, .y = factor * least}, {.x = most, .y = factor * most}},
          .style = SeriesStyle::kDashed};
}

std::string Plot(const Calibration& calibration, bool unseen, const char* title) {
  return DrawLines(
      {.title = title,
       .x = {.label = "measured, tokens/s", .scale = AxisScale::kLog},
       .y = {.label = "predicted, tokens/s", .scale = AxisScale::kLog},
       .series = {PointsOf(calibration, true, unseen, "prompts"),
                  PointsOf(calibration, false, unseen, "new tokens"),
                  LineOf(calibration, 1.0, "equal"), LineOf(calibration, 1.15, "15 % off"),
                  LineOf(calibration, 1.0 / 1.15, "")}});
}

ReportTable TableOf(const Calibration& calibration) {
  ReportTable table{
      .caption = "Tokens per second: ranks x threads, texts x (prompt, new tokens)",
      .columns = {"point", "measured", "spread", "predicted", "off", "unseen", "off unseen"},
      .rows = {}};
  for (const FittedPoint& one : calibration.points) {
    const auto unseen_off = one.unseen_off();
    table.rows.push_back({one.point.name, RateText(one.point.tokens_per_second),
                          fmt::format("{:.0f} %", 100.0 * one.point.spread), RateText(one.fitted),
                          OffText(one.off()), one.unseen ? RateText(*one.unseen) : "",
                          unseen_off ? OffText(*unseen_off) : ""});
  }
  return table;
}

}  // namespace

std::string FitHtml(const std::string& model, const Machine& start,
                    const Calibration& calibration) {
  ReportPage page("Measured and predicted");
  page.AddFacts({{"model", model}, {"machine", start.title}});
  if (!calibration.points.empty()) {
    page.AddPlot(Plot(calibration, false, "Fitted points"), "fitted.svg",
                 "Each point has helped to fit the machine that predicts it.");
    if (calibration.points.size() > 2)
      page.AddPlot(Plot(calibration, true, "Unseen points"), "unseen.svg",
                   "Each point is predicted by a machine that was fitted to the others alone.");
    page.AddTable(TableOf(calibration));
  }
  for (const std::string& one : calibration.left_out) page.AddParagraph("Left out: " + one);
  ReportTable parameters{
      .caption = "What was fitted", .columns = {"key", "before", "fitted"}, .rows = {}};
  for (const FittedParameter& one : calibration.parameters)
    parameters.rows.push_back(
        {one.name, fmt::format("{:.3g}", one.before), fmt::format("{:.3g}", one.fitted)});
  page.AddTable(parameters);
  return page.Html();
}

}  // namespace lockstep
