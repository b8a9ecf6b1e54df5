#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "bench/compare/compare.h"
#include "bench/scaling/scaling_figures.h"
#include "bench/scaling/scaling_json.h"
#include "bench/scaling/scaling_sweep.h"
#include "bench/scaling/scaling_text.h"
#include "bench/scaling/step_log.h"
#include "core/error.h"
#include "tests/support/expect_narrow.h"
#include "tests/support/message_of.h"

namespace lockstep {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

// A rank that computes for so long, and adds up and waits beside it.
RankSplit Split(double products, double all_reduce, double waiting) {
  return {.products = {products},
          .attention = {1.0},
          .all_reduce = {all_reduce},
          .waiting = {waiting},
          .other = {0.5}};
}

ScalingPoint PointOf(std::int64_t ranks, std::int64_t sequences, double seconds) {
  ScalingPoint point{.key = {.dtype = "bf16",
                             .prompt_tokens = 16,
                             .new_tokens = 4,
                             .sequences = sequences,
                             .ranks = ranks},
                     .threads = 1,
                     .is_oversubscribed = ranks > 2,
                     .prefill = {},
                     .decode = {}};
  for (ScalingStage* stage : {&point.prefill, &point.decode}) {
    *stage = {.tokens = 4 * sequences, .steps = 4, .seconds = {seconds}, .ranks = {}};
    for (std::int64_t rank = 0; rank < ranks; ++rank)
      stage->ranks.push_back(Split(rank == 0 ? 4.5 : 2.5, 1.0, rank == 0 ? 0.0 : 2.0));
  }
  return point;
}

ScalingResult AResult() {
  ScalingResult result;
  result.about = {{"version", "1"}, {"host", "h <1>"}, {"command", "lockstep bench scaling"}};
  result.model = "m & n";
  result.weights = "random";
  result.options.batch_sizes = {2, 4};
  // 2 and 4 sequences on one rank; 2, 4 and 8 on two; tokens/s: 1, 2, 1.6, 3.2, 3.8.
  result.points = {PointOf(1, 2, 8.0), PointOf(1, 4, 8.0), PointOf(2, 2, 5.0), PointOf(2, 4, 5.0),
                   PointOf(2, 8, 32.0 / 3.8)};
  return result;
}

TEST(ScalingPointsOf, AreStrongAndWeakOnesOnce) {
  ScalingOptions options;
  options.batch_sizes = {1, 2};
  options.prompt_tokens = {16, 64};
  const auto batches = [&](std::int64_t ranks) {
    std::vector<std::int64_t> sequences;
    for (const ScalingKey& key : ScalingPointsOf(options, {.ranks = ranks, .dtype = "bf16"}))
      if (key.prompt_tokens == 16) sequences.push_back(key.sequences);
    return sequences;
  };
  EXPECT_THAT(batches(1), ElementsAre(1, 2));
  EXPECT_THAT(batches(2), ElementsAre(1, 2, 4));
  options.kind = ScalingOptions::Kind::kWeak;
  EXPECT_THAT(batches(2), ElementsAre(2, 4));
  options.kind = ScalingOptions::Kind::kStrong;
  EXPECT_THAT(batches(4), ElementsAre(1, 2));
  const auto points = ScalingPointsOf(options, {.ranks = 4, .stages = 2, .dtype = "int8"});
  EXPECT_EQ(points.size(), 4u);
  EXPECT_EQ(points[3].dtype, "int8");
  EXPECT_EQ(points[3].prompt_tokens, 64);
  EXPECT_EQ(points[3].ranks, 4);
  EXPECT_EQ(points[3].stages, 2);
}

TEST(FiguresOf, AreSharesOfAllRanks) {
  const StageFigures figures = FiguresOf(PointOf(2, 2, 7.0).decode);
  EXPECT_THAT(figures.tokens_per_second, ElementsAre(testing::DoubleEq(8.0 / 7.0)));
  EXPECT_THAT(figures.step_ms, ElementsAre(1750.0));
  // Rank 0: 4.5 + 1 + 0.5 busy and 1 of sums; rank 1: 2.5 + 1 + 0.5 busy, 1 of sums, 2 waiting.
  EXPECT_THAT(figures.communication_share, ElementsAre(testing::DoubleEq(2.0 / 14.0)));
  EXPECT_THAT(figures.waiting_share, ElementsAre(testing::DoubleEq(2.0 / 14.0)));
  EXPECT_THAT(figures.imbalance, ElementsAre(testing::DoubleEq(6.0 / 5.0 - 1.0)));
  EXPECT_THAT(figures.split_over_time, ElementsAre(testing::DoubleEq(1.0)));
}

TEST(FiguresOf, HaveNoSharesWithoutASplit) {
  ScalingStage stage{.tokens = 10, .steps = 5, .seconds = {2.0, 4.0}, .ranks = {}};
  const StageFigures figures = FiguresOf(stage);
  EXPECT_THAT(figures.tokens_per_second, ElementsAre(5.0, 2.5));
  EXPECT_THAT(figures.communication_share, IsEmpty());
  EXPECT_THAT(figures.split_over_time, IsEmpty());
}

const ScalingCurve& Curve(const std::vector<ScalingCurve>& curves, bool weak, std::int64_t batch) {
  for (const ScalingCurve& curve : curves)
    if (curve.is_weak == weak && curve.batch == batch && curve.stage == ScalingStageName::kDecode)
      return curve;
  throw Error(ExitCode::kInternal, "no such curve");
}

TEST(CurvesOf, CompareWithTheFirstRankCount) {
  const ScalingResult result = AResult();
  const auto curves = CurvesOf(result);
  EXPECT_EQ(curves.size(), 8u);  // strong and weak, two batches, decode and prefill
  EXPECT_EQ(curves.front().stage, ScalingStageName::kDecode);
  const ScalingCurve& strong = Curve(curves, false, 4);
  ASSERT_EQ(strong.points.size(), 2u);
  EXPECT_THAT(strong.points[0].efficiency, ElementsAre(1.0));
  EXPECT_THAT(strong.points[1].speedup, ElementsAre(testing::DoubleEq(1.6)));
  EXPECT_THAT(strong.points[1].efficiency, ElementsAre(testing::DoubleEq(0.8)));
  const ScalingCurve& weak = Curve(curves, true, 4);
  ASSERT_EQ(weak.points.size(), 2u);
  EXPECT_EQ(weak.points[1].point->key.sequences, 8);
  EXPECT_THAT(weak.points[1].speedup, ElementsAre(testing::DoubleEq(1.9)));
  EXPECT_THAT(weak.points[1].efficiency, ElementsAre(testing::DoubleEq(0.95)));
  EXPECT_EQ(TitleOf(weak), "weak: decode, bf16, batch 4 per rank, prompt 16, 4 new tokens");
}

TEST(CurvesOf, CompareRoundByRound) {
  ScalingResult result = AResult();
  ScalingResult second = AResult();
  second.points = {PointOf(1, 2, 4.0), PointOf(2, 2, 2.0)};
  AddRounds(result, second);
  EXPECT_EQ(result.points.size(), 5u);
  const auto curves = CurvesOf(result);
  const ScalingCurve& strong = Curve(curves, false, 2);
  EXPECT_THAT(strong.points[1].speedup,
              ElementsAre(testing::DoubleEq(1.6), testing::DoubleEq(2.0)));
}

// Two ranks as two stages beside the two that divide every block: 8 sequences in 2 s.
ScalingResult AResultWithStages() {
  ScalingResult result = AResult();
  result.points.push_back(PointOf(2, 4, 2.0));
  result.points.back().key.stages = 2;
  return result;
}

TEST(CurvesOf, KeepStagesApart) {
  const ScalingResult result = AResultWithStages();
  std::vector<std::string> titles;
  for (const ScalingCurve& curve : CurvesOf(result))
    if (curve.stages == 2) titles.push_back(TitleOf(curve));
  EXPECT_THAT(
      titles,
      ElementsAre("strong: decode, bf16, batch 4, prompt 16, 4 new tokens, 2 stages",
                  "weak: decode, bf16, batch 2 per rank, prompt 16, 4 new tokens, 2 stages",
                  "strong: prefill, bf16, batch 4, prompt 16, 4 new tokens, 2 stages",
                  "weak: prefill, bf16, batch 2 per rank, prompt 16, 4 new tokens, 2 stages"));
  const auto curves = CurvesOf(result);
  EXPECT_EQ(Curve(curves, false, 4).points.size(), 2u) << "of one stage";
}

TEST(ScalingFiles, KnowTheStages) {
  const ScalingResult result = AResultWithStages();
  const Json json = ParseJson(ScalingJson(result), "json");
  EXPECT_EQ(json["points"][5]["pipeline_stages"], 2);
  EXPECT_FALSE(json["points"][4].contains("pipeline_stages"));
  const ScalingResult again = ReadScaling(json, "json");
  EXPECT_EQ(again.points[5].key.stages, 2);
  EXPECT_EQ(again.points[4].key.stages, 1);
  std::vector<int> of_curves;
  for (const Json& curve : json["curves"]) of_curves.push_back(curve.value("pipeline_stages", 1));
  EXPECT_EQ(std::count(of_curves.begin(), of_curves.end(), 2), 4);
  EXPECT_THAT(ScalingCsv(result), HasSubstr("\ndecode,bf16,2,2,1,0,4,16,4,1,0,"));
  const std::string text = ScalingText(result);
  EXPECT_THAT(text, HasSubstr("ms of a step: decode, bf16, prompt 16, 4 new tokens, 2 stages\n"));
  ExpectNarrow(text);
  const std::string page = ScalingPage(result);
  for (const char* part :
       {"batch 4, 2 stages", "batch 4, 2 ranks in 2 stages", "bf16, 2 ranks in 2 stages, batch 4"})
    EXPECT_THAT(page, HasSubstr(part));
}

TEST(WorldsOfSweep, AreAllThatCanBeCut) {
  ScalingOptions options;
  options.ranks = {1, 2, 4};
  options.stages = {1, 2};
  options.dtypes = {WeightFormat::kBF16};
  std::vector<std::string> texts;
  for (const ScalingWorld& world : WorldsOfSweep(options)) texts.push_back(world.Text());
  EXPECT_THAT(texts, ElementsAre("1 rank, bf16", "2 ranks, bf16", "4 ranks, bf16",
                                 "2 ranks in 2 stages, bf16", "4 ranks in 2 stages, bf16"));
  options.stages = {1, 3};
  EXPECT_EQ(MessageOf([&] { WorldsOfSweep(options); }),
            "bench scaling: 3 stages need 3 ranks or a multiple of that, and the rank counts are "
            "1, 2, 4; give others with --ranks");
}

TEST(AddRounds, KeepsEveryRank) {
  ScalingResult result;
  AddRounds(result, AResult());
  EXPECT_EQ(result.model, "m & n");
  AddRounds(result, AResult());
  const ScalingStage& stage = result.points[2].decode;
  EXPECT_THAT(stage.seconds, ElementsAre(5.0, 5.0));
  ASSERT_EQ(stage.ranks.size(), 2u);
  EXPECT_THAT(stage.ranks[1].waiting, ElementsAre(2.0, 2.0));
  EXPECT_EQ(stage.tokens, 8) << "of one round";
}

TEST(ScalingJson, IsReadAsItWasWritten) {
  ScalingResult result = AResult();
  AddRounds(result, AResult());
  result.points[0].prefill.ranks.clear();  // as of a device
  const std::string text = ScalingJson(result);
  ScalingResult again = ReadScaling(ParseJson(text, "json"), "json");
  EXPECT_EQ(again.about["host"], "h <1>");
  again.about = result.about;  // in another order
  again.options = result.options;
  EXPECT_EQ(ScalingJson(again), text);
  EXPECT_EQ(ScalingCsv(again), ScalingCsv(result));
}

TEST(ScalingJson, HasTheFieldsThatScriptsRelyOn) {
  const Json json = ParseJson(ScalingJson(AResult()), "json");
  EXPECT_EQ(json["benchmark"], "scaling");
  EXPECT_EQ(json["interrupted"], false);
  const Json& point = json["points"][4];
  EXPECT_EQ(point["dtype"], "bf16");
  EXPECT_EQ(point["ranks"], 2);
  EXPECT_EQ(point["sequences"], 8);
  EXPECT_EQ(point["threads_per_rank"], 1);
  EXPECT_EQ(point["oversubscribed"], false);
  const Json& decode = point["decode"];
  EXPECT_EQ(decode["work"]["tokens"], 32);
  EXPECT_EQ(decode["work"]["steps"], 4);
  EXPECT_NEAR(decode["tokens_per_second"]["median"].get<double>(), 3.8, 1e-9);
  EXPECT_EQ(decode["split_seconds"][1]["waiting"], Json{2.0});
  for (const char* name : {"seconds", "step_ms", "communication_share", "waiting_share",
                           "imbalance", "split_over_time"})
    EXPECT_EQ(decode[name]["rounds"].size(), 1u) << name;
  const Json& curve = json["curves"][0];
  EXPECT_EQ(curve["scaling"], "strong");
  EXPECT_EQ(curve["stage"], "decode");
  EXPECT_EQ(curve["sequences"], 2);
  EXPECT_NEAR(curve["points"][1]["efficiency"]["median"].get<double>(), 0.8, 1e-9);
  EXPECT_EQ(json["curves"][3]["sequences_per_rank"], 4);
}

TEST(ScalingJson, IsRefusedWhereItIsAnother) {
  const auto refusal = [](const std::string& text) {
    return MessageOf([&] { ReadScaling(ParseJson(text, "f"), "f"); });
  };
  EXPECT_THAT(refusal("[]"), HasSubstr("f: no result of bench scaling"));
  EXPECT_THAT(refusal(R"({"benchmark": "serve"})"), HasSubstr("a result of \"serve\""));
  Json json = ParseJson(ScalingJson(AResult()), "json");
  json["points"][0]["decode"]["split_seconds"][0]["waiting"] = {1.0, 2.0};
  EXPECT_THAT(refusal(json.dump()), HasSubstr("2 rounds of waiting where 1 are expected"));
}

TEST(ScalingJson, IsComparedWithAnother) {
  ScalingResult before;
  ScalingResult after;
  for (int round = 0; round < 5; ++round) {
    AddRounds(before, AResult());
    ScalingResult slow = AResult();
    slow.points[4].decode.seconds = {20.0 + 0.01 * round};
    AddRounds(after, std::move(slow));
  }
  const CompareReport report =
      CompareResults(ParseJson(ScalingJson(before), "a"), ParseJson(ScalingJson(after), "b"));
  std::vector<std::string> slower;
  for (const Comparison& one : report.figures)
    if (one.verdict == Change::kSlower) slower.push_back(one.name);
  EXPECT_THAT(slower, testing::Contains("points/bf16 new_tokens 4 prompt_tokens 16 ranks 2 "
                                        "sequences 8 threads_per_rank 1/decode/tokens_per_second"));
  for (const std::string& name : slower) EXPECT_THAT(name, HasSubstr("/decode/"));
}

TEST(ScalingCsv, HasALineForEachRankAndRound) {
  const std::string csv = ScalingCsv(AResult());
  EXPECT_EQ(std::count(csv.begin(), csv.end(), '\n'), 1 + 2 * (2 * 1 + 3 * 2));
  EXPECT_THAT(csv, HasSubstr("\ndecode,bf16,2,1,1,0,4,16,4,1,1,16,4,5,2.5,1,1,2,0.5\n"));
  const auto header = csv.substr(0, csv.find('\n'));
  const auto line = csv.substr(csv.find('\n') + 1, csv.find('\n', header.size() + 1));
  EXPECT_EQ(std::count(header.begin(), header.end(), ','), 18);
  EXPECT_EQ(
      std::count(line.begin(), line.begin() + static_cast<std::ptrdiff_t>(line.find('\n')), ','),
      18);
}

TEST(ScalingText, FitsIn80Columns) {
  ScalingResult result = AResult();
  result.points.push_back(PointOf(4, 4, 7.0));
  const std::string text = ScalingText(result);
  for (const char* part :
       {"m & n, random weights", "strong: decode, bf16, batch 4, prompt 16, 4 new tokens", "4*",
        "80.0 %", "weak: decode", "all-reduce", "* more threads than cores", "The parts add up to"})
    EXPECT_THAT(text, HasSubstr(part));
  ExpectNarrow(text);
  ScalingResult nothing;
  nothing.is_interrupted = true;
  EXPECT_THAT(ScalingText(nothing), HasSubstr("nothing was measured"));
}

TEST(ScalingPage, HasTablesAndPlotsOfEverything) {
  ScalingResult result = AResult();
  result.points.push_back(PointOf(4, 4, 7.0));
  const std::string page = ScalingPage(result);
  for (const char* part :
       {"Scaling of m &amp; n", "h &lt;1&gt;", "strong-decode-bf16-prompt16-new4-rate.svg",
        "weak-prefill-bf16-prompt16-new4-efficiency.svg", "split-decode-bf16-prompt16-new4.svg",
        "pareto.svg", "Pareto front", "batch 4 per rank", "oversubscribed", "ideal of batch 2<",
        "ideal of batch 2 per rank<", "more threads than cores"})
    EXPECT_THAT(page, HasSubstr(part));
  EXPECT_THAT(page, Not(HasSubstr("nan")));
  EXPECT_THAT(page, HasSubstr("bf16, 1 rank, batch 2"));
  EXPECT_THAT(page, Not(HasSubstr("1 ranks")));
  ScalingResult nothing;
  nothing.is_interrupted = true;
  EXPECT_THAT(ScalingPage(nothing), HasSubstr("Nothing was measured."));
}

TEST(ScalingResult, SaysThatDevicesAreNotSplit) {
  ScalingResult result = AResult();
  for (ScalingPoint& point : result.points) {
    point.prefill.ranks.clear();
    point.decode.ranks.clear();
  }
  EXPECT_THAT(ScalingText(result), HasSubstr("devices do the work"));
  EXPECT_THAT(ScalingText(result), Not(HasSubstr("The parts add up")));
  const std::string page = ScalingPage(result);
  EXPECT_THAT(page, HasSubstr("devices do the work"));
  EXPECT_THAT(page, Not(HasSubstr("split-decode")));
  EXPECT_THAT(ScalingCsv(result), HasSubstr("\ndecode,bf16,2,1,1,0,4,16,4,1,0,16,4,5,,,,,\n"));
}

TEST(StepLog, KeepsTheLastWordOfEachStep) {
  StepLog log;
  StepTimes step{.step = 1, .tokens = 3, .begin = 10, .end = 30, .phases = {}};
  step.phases[static_cast<std::size_t>(Phase::kProducts)] = 20;
  log.OnStep(step);
  step.end = 35;
  step.phases[static_cast<std::size_t>(Phase::kSampling)] = 5;
  log.OnStep(step);
  step = {.step = 2, .tokens = 1, .begin = 35, .end = 45, .phases = {}};
  step.phases[static_cast<std::size_t>(Phase::kWaiting)] = 10;
  log.OnStep(step);
  const auto steps = StepsFrom(log.bytes());
  ASSERT_EQ(steps.size(), 2u);
  const RankSplit both = SplitOf(steps, 1, 2);
  EXPECT_THAT(both.products, ElementsAre(testing::DoubleEq(20e-9)));
  EXPECT_THAT(both.waiting, ElementsAre(testing::DoubleEq(10e-9)));
  EXPECT_THAT(both.other, ElementsAre(testing::DoubleEq(5e-9)));
  EXPECT_THAT(SplitOf(steps, 2, 1).products, ElementsAre(0.0));
  EXPECT_THAT(SplitOf(steps, 1, 1).waiting, ElementsAre(0.0));
  EXPECT_THAT(MessageOf([&] { SplitOf(steps, 2, 2); }, ExitCode::kInternal),
              HasSubstr("1 of the steps 2 to 3"));
  // A step of the same number of another engine is another one.
  step = {.step = 2, .tokens = 1, .begin = 99, .end = 100, .phases = {}};
  log.OnStep(step);
  EXPECT_EQ(log.steps().size(), 3u);
}

TEST(ScalingSweep, ChoosesRanksAndThreadsByTheCores) {
  EXPECT_THAT(DefaultRankCounts(1), ElementsAre(1));
  EXPECT_THAT(DefaultRankCounts(6), ElementsAre(1, 2, 4));
  EXPECT_EQ(ThreadsOfSweep({1, 2, 4}, 2), 1);
  EXPECT_EQ(ThreadsOfSweep({1, 2}, 8), 4);
  EXPECT_EQ(ThreadsOfSweep({16}, 8), 1);
}

TEST(WithFlags, PutsValuesInPlaceOfOthers) {
  const std::vector<std::string> given{"lockstep", "bench",  "scaling", "--ranks", "1,2",
                                       "--json=a", "--html", "b",       "--model", "m"};
  EXPECT_THAT(
      WithFlags(given, {{"--ranks", "2"}, {"--json", "-"}, {"--html", ""}}),
      ElementsAre("lockstep", "bench", "scaling", "--model", "m", "--ranks", "2", "--json", "-"));
}

}  // namespace
}  // namespace lockstep
