#include "bench/compare/compare.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "bench/compare/rank_test.h"
#include "core/error.h"
#include "tests/support/expect_narrow.h"
#include "tests/support/message_of.h"
#include "tests/support/test_data.h"

namespace lockstep {
namespace {

using testing::HasSubstr;

// The reference is scipy.stats.mannwhitneyu.
TEST(RankTest, IsExactForFewValues) {
  EXPECT_NEAR(RankTest({1, 2, 3, 4}, {5, 6, 7, 8}), 2.0 / 70.0, 1e-12);
  EXPECT_NEAR(RankTest({1, 2, 3}, {4, 5, 6}), 0.1, 1e-12);
  EXPECT_NEAR(RankTest({1, 4, 2, 8, 5}, {3, 9, 7, 6, 10}), 0.150793650793650, 1e-9);
  EXPECT_NEAR(RankTest({5, 6, 7, 8}, {1, 2, 3, 4}), 2.0 / 70.0, 1e-12);
  EXPECT_DOUBLE_EQ(RankTest({1, 2, 3}, {1, 2, 3}), 1.0);
  EXPECT_DOUBLE_EQ(RankTest({2, 2}, {2, 2}), 1.0);
  EXPECT_DOUBLE_EQ(RankTest({}, {1}), 1.0);
}

TEST(RankTest, IsNearlyRightForMany) {
  std::vector<double> a, b;
  for (int i = 0; i < 20; ++i) {
    a.push_back(i);
    b.push_back(i + 6.5);
  }
  EXPECT_NEAR(RankTest(a, b), 0.003336179304756, 1e-9);  // method "asymptotic"
}

Json Figure(const std::vector<double>& rounds) { return {{"median", 0}, {"rounds", rounds}}; }

Json Result(const std::vector<double>& throughput, const std::vector<double>& ttft) {
  return {{"benchmark", "serve"},
          {"about", {{"host", "here"}, {"date", "now"}}},
          {"metrics",
           {{"request_throughput", Figure(throughput)},
            {"mean_ttft_ms", Figure(ttft)},
            {"completed", Figure({100, 100, 100, 100})}}}};
}

Change VerdictOf(const CompareReport& report, const std::string& name) {
  for (const Comparison& one : report.figures)
    if (one.name == name) return one.verdict;
  ADD_FAILURE() << name;
  return Change::kNone;
}

TEST(Compare, TellsFasterFromSlowerByWhatAFigureIs) {
  const CompareReport report = CompareResults(Result({10, 11, 12, 13}, {5, 5.1, 5.2, 5.3}),
                                              Result({20, 21, 22, 23}, {6, 6.1, 6.2, 6.3}));
  EXPECT_EQ(report.figures.size(), 2u);  // how many there were is not fast or slow
  EXPECT_EQ(VerdictOf(report, "metrics/request_throughput"), Change::kFaster);
  EXPECT_EQ(VerdictOf(report, "metrics/mean_ttft_ms"), Change::kSlower);
  EXPECT_TRUE(report.notes.empty());  // the date is another one of course
}

TEST(Compare, LeavesNoiseAlone) {
  const CompareReport report = CompareResults(Result({10, 14, 12, 11}, {5, 5, 5, 5.01}),
                                              Result({13, 10.5, 12.5, 11.5}, {5, 5, 5, 5.02}));
  EXPECT_EQ(VerdictOf(report, "metrics/request_throughput"), Change::kNone);
  EXPECT_EQ(VerdictOf(report, "metrics/mean_ttft_ms"), Change::kNone);
}

TEST(Compare, WantsRangesFarApartOfFewRounds) {
  const auto verdict = [](const std::vector<double>& before, const std::vector<double>& after) {
    return VerdictOf(CompareResults(Result(before, {1}), Result(after, {1})),
                     "metrics/request_throughput");
  };
  EXPECT_EQ(verdict({10, 11}, {13, 14}), Change::kFaster);
  EXPECT_EQ(verdict({10, 11}, {11.5, 12}), Change::kNone);
  EXPECT_EQ(verdict({10}, {20}), Change::kUnknown);
}

TEST(Compare, FindsTheSameCaseInAList) {
  const auto result = [](double of_8, double of_32, bool turned) {
    Json one = {{"benchmark", "batch"}, {"sequences", 8}, {"tokens_per_second", Figure({of_8})}};
    Json two = {{"benchmark", "batch"}, {"sequences", 32}, {"tokens_per_second", Figure({of_32})}};
    return Json{{"cases", turned ? Json{two, one} : Json{one, two}}};
  };
  const CompareReport report = CompareResults(result(1, 2, false), result(3, 8, true));
  ASSERT_EQ(report.figures.size(), 2u);
  EXPECT_EQ(report.figures[0].name, "cases/batch sequences 32/tokens_per_second");
  EXPECT_DOUBLE_EQ(report.figures[0].change, 3.0);
  EXPECT_DOUBLE_EQ(report.figures[1].change, 2.0);
}

TEST(Compare, NotesWhatElseDiffers) {
  Json after = Result({1}, {1});
  after["about"]["host"] = "there";
  const CompareReport report = CompareResults(Result({1}, {1}), after);
  EXPECT_THAT(report.notes, testing::ElementsAre("about.host: \"here\" and \"there\""));
}

TEST(Compare, RefusesWhatIsNoResult) {
  EXPECT_THAT(MessageOf([] { CompareResults(Json::array(), Json::object()); }),
              HasSubstr("the first file is no result"));
  EXPECT_THAT(MessageOf([] { CompareResults(Json::object(), Json::object()); }),
              HasSubstr("no figures in common"));
  EXPECT_THAT(MessageOf([] {
                CompareResults(Result({1}, {1}), {{"benchmark", "scaling"}});
              }),
              HasSubstr("results of two benchmarks, \"serve\" and \"scaling\""));
}

TEST(Compare, NamesAFileThatIsNoResult) {
  const TemporaryFolder folder;
  WriteText(folder / "a.json", "{\"x\": 1}");
  CompareOptions options{.before = folder / "a.json", .after = folder / "a.json"};
  EXPECT_THAT(MessageOf([&] { RunCompare(options); }),
              HasSubstr("a.json is no result of lockstep bench; expected a file of its --json"));
}

TEST(Compare, HasTheMedianOnce) {
  const auto result = [](double base) {
    const Json figure = Figure({base, base + 1, base + 2, base + 3});
    return Json{
        {"benchmark", "serve"},
        {"metrics", {{"median_ttft_ms", figure}, {"p50_ttft_ms", figure}, {"p50_itl_ms", figure}}}};
  };
  const CompareReport report = CompareResults(result(1), result(2));
  std::vector<std::string> names;
  for (const Comparison& one : report.figures) names.push_back(one.name);
  EXPECT_THAT(names, testing::ElementsAre("metrics/median_ttft_ms", "metrics/p50_itl_ms"));
}

TEST(CompareText, FitsEightyColumnsAndNamesTheTest) {
  const CompareReport report = CompareResults(Result({10, 11, 12, 13}, {5, 5.1, 5.2, 5.3}),
                                              Result({20, 21, 22, 23}, {6, 6.1, 6.2, 6.3}));
  const std::string text = CompareText(report, {.before = "a.json", .after = "b.json"});
  ExpectNarrow(text);
  const CompareReport small = CompareResults(Result({1e-4, 2e-4}, {1}), Result({3e-4, 4e-4}, {1}));
  EXPECT_THAT(CompareText(small, {}), HasSubstr("0.00015     0.00035"));
  for (const char* part :
       {"SLOWER", "faster", "+87.0 %", "0.029", "Mann-Whitney", "1 faster, 1 slower"})
    EXPECT_THAT(text, HasSubstr(part));
}

}  // namespace
}  // namespace lockstep
