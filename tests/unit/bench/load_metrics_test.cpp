#include "bench/load/load_metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "bench/load/load_report.h"
#include "bench/load/pages/load_page.h"
#include "core/json.h"
#include "tests/support/expect_narrow.h"

namespace lockstep {
namespace {

using testing::HasSubstr;

TEST(Percentiles, LieBetweenValuesAsInNumPy) {
  const std::vector<double> values{1.0, 2.0, 4.0, 8.0};
  EXPECT_DOUBLE_EQ(PercentileOf(values, 0), 1.0);
  EXPECT_DOUBLE_EQ(PercentileOf(values, 50), 3.0);
  EXPECT_DOUBLE_EQ(PercentileOf(values, 90), 6.8);  // numpy.percentile([1, 2, 4, 8], 90)
  EXPECT_DOUBLE_EQ(PercentileOf(values, 100), 8.0);
  EXPECT_DOUBLE_EQ(PercentileOf({5.0}, 99), 5.0);
  EXPECT_DOUBLE_EQ(PercentileOf({}, 99), 0.0);
}

RequestRecord Answer(double start, double ttft, std::vector<float> itl) {
  RequestRecord record{.start = start, .ttft = ttft, .latency = ttft, .itl = std::move(itl)};
  for (const float pause : record.itl) record.latency += pause;
  record.events = static_cast<std::int64_t>(record.itl.size()) + 1;
  record.prompt_tokens = 10;
  record.output_tokens = record.events;
  return record;
}

// Two answers of 3 and 1 tokens, one failure of each of two kinds, one that was broken off.
LoadRun ARun() {
  LoadRun run{.records = {Answer(0.0, 0.25, {0.5f, 0.25f}), Answer(0.5, 0.75, {})}, .seconds = 2.0};
  run.records.emplace_back().failure = RequestFailure{"status 503", "busy"};
  run.records.emplace_back().failure = RequestFailure{"broken off", ""};
  run.records.emplace_back().is_cancelled = true;
  return run;
}

LoadOptions WithTarget(std::optional<double> ttft, std::optional<double> tpot) {
  LoadOptions options;
  options.target = {.ttft = ttft, .tpot = tpot, .e2el = {}};
  options.concurrency = 2;
  return options;
}

TEST(LoadSummary, IsDefinedAsInVllm) {
  const LoadSummary summary = Summarize(ARun(), LoadOptions{});
  EXPECT_EQ(summary.completed, 2);
  EXPECT_EQ(summary.failed, 2);
  EXPECT_EQ(summary.cancelled, 1);
  EXPECT_EQ(summary.failures.at("status 503").count, 1);
  EXPECT_EQ(summary.failures.at("status 503").example, "busy");
  EXPECT_EQ(summary.input_tokens, 20);
  EXPECT_EQ(summary.output_tokens, 4);
  EXPECT_EQ(summary.uncounted, 0);
  EXPECT_DOUBLE_EQ(summary.ttft.mean, 0.5);
  EXPECT_DOUBLE_EQ(summary.ttft.deviation, 0.25);
  EXPECT_DOUBLE_EQ(summary.tpot.mean, 0.375);  // of the answer with more than one token alone
  EXPECT_DOUBLE_EQ(summary.itl.mean, 0.375);
  EXPECT_DOUBLE_EQ(summary.e2el.median, 0.875);
  EXPECT_EQ(summary.most_concurrent, 2);
  EXPECT_EQ(summary.in_flight_at_last, 1);
  EXPECT_EQ(summary.most_output_tokens_per_second, 2.0);
}

TEST(LoadSummary, CountsWhatIsUnderWayWhenTheLastOneIsSent) {
  LoadRun run;
  EXPECT_EQ(Summarize(run, LoadOptions{}).in_flight_at_last, 0);
  for (const double start : {3.0, 0.0, 1.0, 2.0})  // in any order; each takes 1.5 s
    run.records.push_back(Answer(start, 1.5, {}));
  EXPECT_EQ(Summarize(run, LoadOptions{}).in_flight_at_last, 1);
  run.records[1].latency = 3.5;
  EXPECT_EQ(Summarize(run, LoadOptions{}).in_flight_at_last, 2);
}

TEST(LoadSummary, IsOfTooShortARunWithAQuarterOfItsRequestsUnderWayAtItsEnd) {
  const auto is_too_short = [](std::int64_t completed, std::int64_t in_flight) {
    LoadSummary summary;
    summary.completed = completed;
    summary.in_flight_at_last = in_flight;
    return IsTooShort(summary);
  };
  EXPECT_FALSE(is_too_short(21, 4));
  EXPECT_TRUE(is_too_short(21, 5));
  EXPECT_TRUE(is_too_short(21, 20));
  EXPECT_FALSE(is_too_short(20, 0));
  EXPECT_TRUE(is_too_short(1, 0)) << "one alone tells nothing";
  EXPECT_TRUE(is_too_short(0, 0));
}

TEST(LoadSummary, CountsWhatMeetsEveryLimit) {
  const auto good = [](std::optional<double> ttft, std::optional<double> tpot) {
    return Summarize(ARun(), WithTarget(ttft, tpot)).good;
  };
  EXPECT_EQ(good(0.75, {}), 2);
  EXPECT_EQ(good(0.5, {}), 1);
  EXPECT_EQ(good({}, 0.3), 1);  // a single token takes no time after the first
  EXPECT_EQ(good(0.5, 0.3), 0);
}

TEST(LoadSummary, KnowsHowLatenciesAreDistributed) {
  const LatencySummary ttft = Summarize(ARun(), LoadOptions{}).ttft;
  ASSERT_EQ(ttft.distribution.size(), 101u);
  EXPECT_EQ(ttft.distribution[50], ttft.median);
  EXPECT_TRUE(std::is_sorted(ttft.distribution.begin(), ttft.distribution.end()));
  EXPECT_LT(ttft.distribution.front(), ttft.distribution.back());
  EXPECT_TRUE(Summarize(LoadRun{}, LoadOptions{}).ttft.distribution.empty());
}

TEST(LoadSummary, OfNothingIsZero) {
  const LoadSummary summary = Summarize(LoadRun{}, LoadOptions{});
  EXPECT_EQ(summary.completed, 0);
  EXPECT_EQ(summary.ttft.mean, 0.0);
  EXPECT_EQ(summary.most_concurrent, 0);
}

LoadReport AReport() {
  LoadReport report{.target = "http://here:1", .model = "m", .options = WithTarget(0.5, {})};
  report.rounds = {Summarize(ARun(), report.options), Summarize(ARun(), report.options)};
  return report;
}

TEST(LoadPage, HasTablesAndPlotsOfEveryRound) {
  LoadReport report = AReport();
  report.about = {{"host", "a <host>"}};
  std::string page = LoadPage(report);
  for (const char* part :
       {"Load on m", "http://here:1", "a &lt;host&gt;", "round 2", "ttft.svg", "tpot.svg",
        "itl.svg", "e2el.svg", "End-to-end latency, ms", "goodput/s"})
    EXPECT_THAT(page, testing::HasSubstr(part));
  EXPECT_THAT(page, testing::Not(testing::HasSubstr("latency-by-rate.svg")));
  report.search =
      FoundRate{.seconds_alone = 0.1, .trials = {{2.0, Trial::kMet, report.rounds[0]}}, .met = 2.0};
  report.rounds.clear();
  page = LoadPage(report);
  for (const char* part :
       {"2 requests/s", "latency-by-rate.svg", "2.000 requests/s met the target"})
    EXPECT_THAT(page, testing::HasSubstr(part));
  report.search.reset();
  report.is_interrupted = true;
  EXPECT_THAT(LoadPage(report), testing::HasSubstr("Nothing was measured."));
}

TEST(LoadJson, HasTheNamesOfVllmsResults) {
  const Json json = ParseJson(LoadJson(AReport()), "json");
  EXPECT_EQ(json["benchmark"], "serve");
  const Json& round = json["rounds"][1];
  EXPECT_EQ(round["completed"], 2);
  EXPECT_EQ(round["request_throughput"], 1.0);
  EXPECT_EQ(round["output_throughput"], 2.0);
  EXPECT_EQ(round["total_token_throughput"], 12.0);
  EXPECT_EQ(round["request_goodput"], 0.5);
  EXPECT_EQ(round["mean_ttft_ms"], 500.0);
  EXPECT_EQ(round["median_tpot_ms"], 375.0);
  EXPECT_TRUE(round.contains("p99_e2el_ms"));
  EXPECT_EQ(round["failures"].size(), 2u);
  EXPECT_EQ(json["metrics"]["mean_ttft_ms"]["rounds"], (Json{500.0, 500.0}));
  EXPECT_EQ(json["load"]["max_concurrency"], 2);
  EXPECT_EQ(json["load"]["goodput"], "ttft:500ms");
}

TEST(LoadCsv, HasALineForEachRound) {
  const std::string text = LoadCsv(AReport());
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 3);
  EXPECT_THAT(text, testing::StartsWith("round,duration,completed,failed,"));
  EXPECT_THAT(text, HasSubstr("\n2,2.0,2,2,"));
}

// No line of the table is wider than a terminal.
TEST(LoadText, FitsEightyColumns) {
  LoadReport report = AReport();
  report.options.target.tpot = 0.05;
  report.options.target.e2el = 12.5;
  report.options.percentiles = {10, 25, 50, 75, 90, 95, 99, 99.9};
  LoadRun run = ARun();
  run.records[2].failure->detail = std::string(200, 'x');
  report.rounds = {Summarize(run, report.options)};
  report.search = FoundRate{.trials = {{.rate = 1.5, .summary = report.rounds[0]}}, .met = 1.5};
  const std::string text = LoadText(report);
  ExpectNarrow(text);
  for (const char* part :
       {"2 completed, 2 failed, 1 broken off", "1 x status 503: xxx", "p99.9",
        "time to first token", "closed loop, 2 at a time",
        "1.500 requests/s is the greatest rate with\n99 % of the requests within "
        "ttft:500ms,tpot:50ms,e2el:12500ms"})
    EXPECT_THAT(text, HasSubstr(part));
}

TEST(LoadText, NamesNoGreatestRateAfterATrialThatWasTooShort) {
  LoadReport report = AReport();
  report.search =
      FoundRate{.trials = {{.rate = 2.0, .trial = Trial::kTooShort, .summary = report.rounds[0]}},
                .is_open = true};
  report.rounds.clear();
  std::string text = LoadText(report);
  ExpectNarrow(text);
  EXPECT_THAT(text, HasSubstr("no rate was found with"));
  EXPECT_THAT(text,
              HasSubstr("At 2.000 requests/s 2 of 2 were under way when the last one was sent"));
  report.search->met = 1.0;
  text = LoadText(report);
  EXPECT_THAT(text, HasSubstr("1.000 requests/s or more, with"));
  EXPECT_THAT(text, testing::Not(HasSubstr("greatest")));
}

}  // namespace
}  // namespace lockstep
