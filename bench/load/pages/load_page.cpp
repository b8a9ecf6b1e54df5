#include "bench/load/pages/load_page.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/json.h"
#include "report/page.h"
#include "report/plot.h"

namespace lockstep {
namespace {

struct LatencyKind {
  const char* name;
  const char* file;
  LatencySummary LoadSummary::*member;
};

constexpr LatencyKind kLatencies[] = {{"Time to first token", "ttft", &LoadSummary::ttft},
                                      {"Time per output token", "tpot", &LoadSummary::tpot},
                                      {"Inter-token latency", "itl", &LoadSummary::itl},
                                      {"End-to-end latency", "e2el", &LoadSummary::e2el}};

// A run and what it is called.
struct NamedRun {
  std::string name;
  const LoadSummary* summary;
};

std::vector<NamedRun> RunsOf(const LoadReport& report) {
  std::vector<NamedRun> runs;
  for (std::size_t i = 0; i < report.rounds.size(); ++i)
    runs.push_back({fmt::format("round {}", i + 1), &report.rounds[i]});
  if (report.search)
    for (const RateTrial& trial : report.search->trials)
      runs.push_back({fmt::format("{:.3g} requests/s", trial.rate), &trial.summary});
  return runs;
}

double PerSecond(double count, const LoadSummary& summary) {
  return summary.seconds > 0.0 ? count / summary.seconds : 0.0;
}

// How many of 100 are at most so slow.
void AddDistribution(const LatencyKind& kind, const std::vector<NamedRun>& runs, ReportPage& page) {
  LinePlot plot{.title = kind.name,
                .x = {.label = "ms", .scale = AxisScale::kLog},
                .y = {.label = "at most so long, %", .start = AxisStart::kZero},
                .series = {}};
  for (const NamedRun& run : runs) {
    const std::vector<double>& distribution = (run.summary->*kind.member).distribution;
    PlotSeries line{.name = run.name, .points = {}, .style = SeriesStyle::kCurve};
    for (std::size_t percent = 0; percent < distribution.size(); ++percent)
      line.points.push_back({.x = 1e3 * distribution[percent], .y = static_cast<double>(percent)});
    plot.series.push_back(std::move(line));
  }
  page.AddPlot(DrawLines(plot), fmt::format("{}.svg", kind.file));
}

void AddPercentiles(const LatencyKind& kind, const std::vector<NamedRun>& runs, ReportPage& page) {
  ReportTable table{.caption = fmt::format("{}, ms", kind.name),
                    .columns = {"run", "mean", "median", "deviation"},
                    .rows = {}};
  for (const auto& [percent, seconds] : (runs.front().summary->*kind.member).percentiles)
    table.columns.push_back(fmt::format("p{:g}", percent));
  for (const NamedRun& run : runs) {
    const LatencySummary& latency = run.summary->*kind.member;
    std::vector<std::string>& row = table.rows.emplace_back();
    row = {run.name, fmt::format("{:.2f}", 1e3 * latency.mean),
           fmt::format("{:.2f}", 1e3 * latency.median),
           fmt::format("{:.2f}", 1e3 * latency.deviation)};
    for (const auto& [percent, seconds] : latency.percentiles)
      row.push_back(fmt::format("{:.2f}", 1e3 * seconds));
  }
  page.AddTable(table);
}

void AddRuns(const std::vector<NamedRun>& runs, const LoadOptions& options, ReportPage& page) {
  ReportTable table{.caption = "Runs",
                    .columns = {"run", "completed", "failed", "seconds", "requests/s",
                                "input tokens/s", "output tokens/s", "most at a time"},
                    .rows = {}};
  if (options.target.is_set()) table.columns.emplace_back("goodput/s");
  for (const NamedRun& run : runs) {
    const LoadSummary& one = *run.summary;
    std::vector<std::string>& row = table.rows.emplace_back();
    row = {run.name,
           fmt::format("{}", one.completed),
           fmt::format("{}", one.failed),
           fmt::format("{:.2f}", one.seconds),
           fmt::format("{:.3f}", PerSecond(static_cast<double>(one.completed), one)),
           fmt::format("{:.1f}", PerSecond(static_cast<double>(one.input_tokens), one)),
           fmt::format("{:.1f}", PerSecond(static_cast<double>(one.output_tokens), one)),
           fmt::format("{}", one.most_concurrent)};
    if (options.target.is_set())
      row.push_back(fmt::format("{:.3f}", PerSecond(static_cast<double>(one.good), one)));
  }
  page.AddTable(table);
}

// What a search has tried, by its rates.
void AddSearch(const FoundRate& found, ReportPage& page) {
  std::vector<const RateTrial*> trials;
  for (const RateTrial& trial : found.trials) trials.push_back(&trial);
  std::ranges::sort(trials, {}, &RateTrial::rate);
  const Axis rate{.label = "requests/s", .scale = AxisScale::kLog};
  LinePlot within{.title = "Requests within the target",
                  .x = rate,
                  .y = {.label = "%", .start = AxisStart::kZero},
                  .series = {{.name = "", .points = {}}}};
  LinePlot slow{.title = "Latency against rate",
                .x = rate,
                .y = {.label = "ms, median", .scale = AxisScale::kLog},
                .series = {}};
  for (const RateTrial* trial : trials) {
    const LoadSummary& one = trial->summary;
    const double all = static_cast<double>(std::max<std::int64_t>(one.completed + one.failed, 1));
    within.series[0].points.push_back(
        {.x = trial->rate, .y = 100.0 * static_cast<double>(one.good) / all});
  }
  for (const LatencyKind& kind : kLatencies) {
    PlotSeries& line = slow.series.emplace_back();
    line.name = kind.name;
    for (const RateTrial* trial : trials)
      line.points.push_back({.x = trial->rate, .y = 1e3 * (trial->summary.*kind.member).median});
  }
  page.AddHeading("Search for the greatest rate");
  page.AddParagraph(found.met ? fmt::format("{:.3f} requests/s met the target.", *found.met)
                              : std::string("No rate that was tried met the target."));
  page.AddPlot(DrawLines(within), "within-target.svg");
  page.AddPlot(DrawLines(slow), "latency-by-rate.svg");
}

void AddAbout(const LoadReport& report, ReportPage& page) {
  std::vector<std::pair<std::string, std::string>> facts{{"target", report.target},
                                                         {"model", report.model}};
  for (const auto& [name, value] : report.about.items())
    facts.emplace_back(name, value.is_string() ? value.get<std::string>() : value.dump());
  page.AddFacts(facts);
}

}  // namespace

std::string LoadPage(const LoadReport& report) {
  ReportPage page(fmt::format("Load on {}", report.model));
  AddAbout(report, page);
  if (report.is_interrupted)
    page.AddParagraph("The measurement was interrupted: this is what there was until then.");
  const std::vector<NamedRun> runs = RunsOf(report);
  if (runs.empty()) {
    page.AddParagraph("Nothing was measured.");
    return page.Html();
  }
  AddRuns(runs, report.options, page);
  if (report.search) AddSearch(*report.search, page);
  page.AddHeading("Latencies");
  for (const LatencyKind& kind : kLatencies) AddDistribution(kind, runs, page);
  for (const LatencyKind& kind : kLatencies) AddPercentiles(kind, runs, page);
  return page.Html();
}

}  // namespace lockstep
