#include "evaluation/report/score_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "report/page.h"
#include "report/plot.h"

namespace lockstep {
namespace {

// Of a plot with more, nobody could tell the lines apart.
constexpr std::size_t kMostRevisions = 5;

// A task and how many examples, as people say it, and one of its metrics.
struct Measure {
  std::string task;
  std::int64_t shots = 0;
  std::string metric;

  bool operator==(const Measure&) const = default;

  bool Fits(const TaskScore& score) const {
    return score.task == task && score.shots == shots && score.metric == metric;
  }
  std::string title() const {
    const std::string examples = shots == 0 ? "" : fmt::format(" ({} shots)", shots);
    return fmt::format("{}{}: {}", task, examples, metric);
  }
  bool is_perplexity() const { return metric.ends_with("perplexity"); }
  bool less_is_better() const { return is_perplexity() || metric == "bits_per_byte"; }
  Axis axis() const {
    return {.label = metric + (less_is_better() ? " (less is better)" : " (more is better)"),
            .scale = is_perplexity() ? AxisScale::kLog : AxisScale::kLinear};
  }
};

// Each once, in the order in which they come first.
template <typename Value>
void AddNew(std::vector<Value>& values, const Value& value) {
  if (std::find(values.begin(), values.end(), value) == values.end()) values.push_back(value);
}

std::string Number(double value) {
  return std::abs(value) < 1000 ? fmt::format("{:.4f}", value) : fmt::format("{:.5g}", value);
}

std::string WithError(const TaskScore& score) {
  if (!score.error) return Number(score.value);
  return fmt::format("{} \xC2\xB1 {}", Number(score.value), Number(*score.error));
}

std::string Revision(const TaskScore& score) {
  return score.revision.empty() ? "-" : score.revision;
}

PlotPoint PointOf(const TaskScore& score, double x) {
  PlotPoint point{.x = x,
                  .y = score.value,
                  .title = fmt::format("{} {}: {}", CommonName(score.model), Revision(score),
                                       WithError(score))};
  if (score.error) {
    point.low = score.value - *score.error;
    point.high = score.value + *score.error;
  }
  return point;
}

class Report {
 public:
  explicit Report(const ReportedScores& reported)
      : reported_(reported),
        page_(fmt::format("Evaluation of {} checkpoints", CheckpointCount(reported.scores))) {
    for (const TaskScore& score : reported.scores) {
      AddNew(measures_, {score.task, score.shots, score.metric});
      AddNew(models_, score.model);
      parameters_[score.model] = score.parameters;
      names_.insert(CommonName(score.model));
    }
    for (const TaskScore& score : reported.published.scores)
      if (names_.contains(CommonName(score.model)) &&
          std::any_of(measures_.begin(), measures_.end(),
                      [&](const Measure& one) { return one.Fits(score); }))
        published_.push_back(score);
  }

  std::string Html() {
    page_.AddFacts(reported_.facts);
    AddNotes();
    AddSteps();
    AddSizes();
    AddTables();
    AddLeftOut();
    return page_.Html();
  }

 private:
  static std::size_t CheckpointCount(const std::vector<TaskScore>& scores) {
    std::set<std::pair<std::string, std::string>> names;
    for (const TaskScore& score : scores) names.emplace(score.model, score.revision);
    return names.size();
  }

  void AddNotes();
  void AddSteps();
  void AddSizes();
  void AddTables();
  void AddLeftOut();
  LinePlot AgainstSteps(const Measure& measure) const;
  LinePlot AgainstSizes(const Measure& measure, const std::vector<std::string>& revisions) const;
  PlotSeries StepsOf(const std::vector<TaskScore>& scores, const Measure& measure,
                     std::string_view model) const;
  PlotSeries SizesOf(const std::vector<TaskScore>& scores, const Measure& measure,
                     std::string_view revision) const;
  std::vector<std::string> ComparedRevisions() const;
  ReportTable TableOf(const Measure& task) const;
  const TaskScore* Published(const TaskScore& score) const;
  double SizeOf(std::string_view model) const;

  const ReportedScores& reported_;
  ReportPage page_;
  std::vector<Measure> measures_;
  std::vector<std::string> models_;
  std::map<std::string, std::int64_t, std::less<>> parameters_;
  std::set<std::string> names_;
  std::vector<TaskScore> published_;  // of these models and measures
};

void Report::AddNotes() {
  page_.AddParagraph("Bars are standard errors. A step of 0 has a place of its own on the left.");
  const PublishedScores& read = reported_.published;
  if (read.files == 0) return;
  page_.AddParagraph(fmt::format(
      "Published scores come from {} files, which have {} scores of these models and tasks; {} of "
      "the files have none of a named model. Other versions of the harness may ask in "
      "other words.",
      read.files, published_.size(), read.without_model));
}

PlotSeries Report::StepsOf(const std::vector<TaskScore>& scores, const Measure& measure,
                           std::string_view model) const {
  PlotSeries series{.name = CommonName(model), .points = {}};
  for (const TaskScore& score : scores)
    if (measure.Fits(score) && score.step() && CommonName(score.model) == series.name)
      series.points.push_back(PointOf(score, static_cast<double>(*score.step())));
  std::sort(series.points.begin(), series.points.end(),
            [](const PlotPoint& a, const PlotPoint& b) { return a.x < b.x; });
  return series;
}

LinePlot Report::AgainstSteps(const Measure& measure) const {
  LinePlot plot{.title = measure.title(),
                .x = {.label = "training step", .scale = AxisScale::kLog},
                .y = measure.axis(),
                .series = {}};
  for (const std::string& model : models_)
    plot.series.push_back(StepsOf(reported_.scores, measure, model));
  for (const std::string& model : models_) {
    PlotSeries theirs = StepsOf(published_, measure, model);
    if (theirs.points.empty()) continue;
    theirs.name += ", published";
    theirs.style = SeriesStyle::kPoints;
    plot.series.push_back(std::move(theirs));
  }
  return plot;
}

void Report::AddSteps() {
  const auto& scores = reported_.scores;
  if (std::none_of(scores.begin(), scores.end(), [](const TaskScore& one) { return one.step(); }))
    return;
  page_.AddHeading("Against the training step");
  for (const Measure& measure : measures_)
    page_.AddPlot(DrawLines(AgainstSteps(measure)),
                  fmt::format("{}-{}-steps.svg", measure.task, measure.metric));
}

double Report::SizeOf(std::string_view model) const {
  for (const auto& [name, parameters] : parameters_)
    if (CommonName(name) == CommonName(model)) return static_cast<double>(parameters);
  return 0.0;
}

PlotSeries Report::SizesOf(const std::vector<TaskScore>& scores, const Measure& measure,
                           std::string_view revision) const {
  PlotSeries series{.name = std::string(revision), .points = {}};
  for (const TaskScore& score : scores)
    if (measure.Fits(score) && score.revision == revision && SizeOf(score.model) > 0)
      series.points.push_back(PointOf(score, SizeOf(score.model)));
  std::sort(series.points.begin(), series.points.end(),
            [](const PlotPoint& a, const PlotPoint& b) { return a.x < b.x; });
  return series;
}

// Of the revisions that several models have the first, the last and some between.
std::vector<std::string> Report::ComparedRevisions() const {
  std::vector<std::string> revisions, chosen;
  std::map<std::string, std::set<std::string>> models;
  for (const TaskScore& score : reported_.scores) {
    AddNew(revisions, score.revision);
    models[score.revision].insert(score.model);
  }
  std::erase_if(revisions, [&](const std::string& one) { return models[one].size() < 2; });
  const std::size_t count = std::min(revisions.size(), kMostRevisions);
  for (std::size_t i = 0; i < count; ++i)
    chosen.push_back(revisions[count == 1 ? 0 : i * (revisions.size() - 1) / (count - 1)]);
  return chosen;
}

LinePlot Report::AgainstSizes(const Measure& measure,
                              const std::vector<std::string>& revisions) const {
  LinePlot plot{.title = measure.title(),
                .x = {.label = "parameters", .scale = AxisScale::kLog},
                .y = measure.axis(),
                .series = {}};
  for (const std::string& revision : revisions) {
    plot.series.push_back(SizesOf(reported_.scores, measure, revision));
    if (revision.empty()) plot.series.back().name = "as given";
  }
  PlotSeries theirs = SizesOf(published_, measure, revisions.back());
  if (theirs.points.empty()) return plot;
  theirs.name += ", published";
  theirs.style = SeriesStyle::kPoints;
  plot.series.push_back(std::move(theirs));
  return plot;
}

void Report::AddSizes() {
  std::set<std::int64_t> sizes;
  for (const auto& [model, parameters] : parameters_) sizes.insert(parameters);
  const std::vector<std::string> revisions = ComparedRevisions();
  if (sizes.size() < 2 || revisions.empty()) return;
  page_.AddHeading("Against the size of the model");
  for (const Measure& measure : measures_)
    page_.AddPlot(DrawLines(AgainstSizes(measure, revisions)),
                  fmt::format("{}-{}-sizes.svg", measure.task, measure.metric));
}

const TaskScore* Report::Published(const TaskScore& score) const {
  const Measure measure{score.task, score.shots, score.metric};
  const auto found = std::find_if(published_.begin(), published_.end(), [&](const TaskScore& one) {
    return measure.Fits(one) && one.revision == score.revision &&
           CommonName(one.model) == CommonName(score.model);
  });
  return found == published_.end() ? nullptr : &*found;
}

// All metrics of a measure's task.
ReportTable Report::TableOf(const Measure& task) const {
  ReportTable table{.caption = "", .columns = {"model", "revision"}, .rows = {}};
  std::vector<Measure> columns;
  for (const Measure& one : measures_)
    if (one.task == task.task && one.shots == task.shots) columns.push_back(one);
  for (const Measure& column : columns) {
    table.columns.push_back(column.metric);
    if (!published_.empty()) table.columns.push_back(column.metric + ", published");
  }
  std::map<std::pair<std::string, std::string>, std::size_t> rows;
  for (const TaskScore& score : reported_.scores) {
    const auto column = std::find_if(columns.begin(), columns.end(),
                                     [&](const Measure& one) { return one.Fits(score); });
    if (column == columns.end()) continue;
    const auto [row, is_new] = rows.try_emplace({score.model, score.revision}, table.rows.size());
    if (is_new) {
      table.rows.emplace_back(table.columns.size(), "-");
      table.rows.back()[0] = score.model;
      table.rows.back()[1] = Revision(score);
    }
    const std::size_t width = published_.empty() ? 1 : 2;
    const std::size_t at = 2 + width * static_cast<std::size_t>(column - columns.begin());
    table.rows[row->second][at] = WithError(score);
    if (const TaskScore* theirs = Published(score); theirs != nullptr)
      table.rows[row->second][at + 1] = WithError(*theirs);
  }
  return table;
}

void Report::AddTables() {
  std::vector<Measure> tasks;
  for (const Measure& measure : measures_) AddNew(tasks, {measure.task, measure.shots, ""});
  for (const Measure& task : tasks) {
    page_.AddHeading(task.task + (task.shots == 0 ? "" : fmt::format(", {} shots", task.shots)));
    page_.AddTable(TableOf(task));
  }
}

void Report::AddLeftOut() {
  if (reported_.left_out.empty()) return;
  page_.AddHeading("Not evaluated");
  page_.AddFacts(reported_.left_out);
}

}  // namespace

std::string ScoreReport(const ReportedScores& reported) { return Report(reported).Html(); }

}  // namespace lockstep
