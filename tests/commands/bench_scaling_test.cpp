// `lockstep bench scaling` on a tiny model: the shape of what it says, never how fast anything is.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>

#include "core/files/file.h"
#include "core/json.h"
#include "program.h"
#include "tests/support/test_data.h"
#include "tiny_model.h"

namespace lockstep {
namespace {

using testing::HasSubstr;
using Words = std::vector<std::string>;

class AScalingBench : public testing::Test {
 protected:
  void SetUp() override {
    if (LOCKSTEP_TEST_RANKS == 1) GTEST_SKIP() << "built without MPI";
    WriteText(config_, kTinyModel);
  }

  Words Small(Words words) const {
    words.insert(words.begin(), {"bench", "scaling", "--model", config_, "--prompt-tokens", "5",
                                 "--new-tokens", "3", "--threads", "1"});
    return words;
  }

  TemporaryFolder folder_;
  std::string config_ = folder_ / "tiny.yaml";
};

double Sum(const Json& rank, std::size_t round) {
  double sum = 0.0;
  for (const char* part : {"products", "attention", "all_reduce", "waiting", "other"})
    sum += rank[part][round].get<double>();
  return sum;
}

void ExpectStage(const Json& stage, std::size_t ranks, std::size_t rounds) {
  ASSERT_EQ(stage["split_seconds"].size(), ranks);
  ASSERT_EQ(stage["seconds"]["rounds"].size(), rounds);
  for (const Json& rank : stage["split_seconds"])
    for (const char* part : {"products", "attention", "all_reduce", "other"}) {
      ASSERT_EQ(rank[part].size(), rounds) << part;
      for (const Json& seconds : rank[part]) EXPECT_GT(seconds.get<double>(), 0.0) << part;
    }
  // Rank 0's parts are all of its steps; what its clock says has, beside them, the calls between.
  for (std::size_t round = 0; round < rounds; ++round) {
    const double sum = Sum(stage["split_seconds"][0], round);
    EXPECT_GT(sum, 0.0);
    EXPECT_LE(sum, stage["seconds"]["rounds"][round].get<double>() * (1.0 + 1e-9));
  }
}

TEST_F(AScalingBench, MeasuresEveryPointInEveryRound) {
  const std::string json_file = folder_ / "result.json";
  const std::string csv_file = folder_ / "result.csv";
  const std::string html_file = folder_ / "result.html";
  const Outcome run =
      RunLockstep(Small({"--ranks", "1,2", "--batch", "1,2", "--dtypes", "fp32,bf16", "--rounds",
                         "2", "--json", json_file, "--csv", csv_file, "--html", html_file}));
  ASSERT_EQ(run.exit_code, 0) << run.errors;
  EXPECT_THAT(run.errors, HasSubstr("bench scaling: round 2 of 2"));
  const Json result = ParseJson(ReadFile(json_file), "result");
  EXPECT_EQ(result["model"], "nobody/tiny");
  EXPECT_EQ(result["weights"], "random");
  EXPECT_EQ(result["interrupted"], false);
  EXPECT_EQ(result["about"]["device"], "cpu");
  EXPECT_THAT(result["about"]["command"].get<std::string>(), HasSubstr("--ranks 1,2"));
  ASSERT_EQ(result["points"].size(), 2u * (2 + 3));  // of one rank 1 and 2, of two 1, 2 and 4
  for (const Json& point : result["points"]) {
    const auto ranks = point["ranks"].get<std::size_t>();
    EXPECT_EQ(point["threads_per_rank"], 1);
    EXPECT_EQ(point["decode"]["work"]["steps"], 3);
    EXPECT_EQ(point["decode"]["work"]["tokens"], 3 * point["sequences"].get<int>());
    EXPECT_EQ(point["prefill"]["work"]["tokens"], 5 * point["sequences"].get<int>());
    ExpectStage(point["decode"], ranks, 2);
    ExpectStage(point["prefill"], ranks, 2);
  }
  for (const Json& curve : result["curves"]) EXPECT_EQ(curve["points"].size(), 2u);
  EXPECT_THAT(ReadFile(csv_file), HasSubstr("\nprefill,bf16,2,1,"));
  EXPECT_THAT(ReadFile(html_file), HasSubstr("pareto.svg"));
  EXPECT_THAT(run.output, HasSubstr("weak: decode, bf16, batch 2 per rank"));

  const Outcome same = RunLockstep({"bench", "compare", json_file, json_file});
  EXPECT_EQ(same.exit_code, 0) << same.errors;
  EXPECT_THAT(same.output, HasSubstr("0 faster, 0 slower"));
}

TEST_F(AScalingBench, MeasuresStagesBesideRanksThatDivideBlocks) {
  const std::string json_file = folder_ / "result.json";
  const Outcome run = RunLockstep(Small({"--ranks", "1,2", "--stages", "1,2", "--scaling", "strong",
                                         "--rounds", "1", "--json", json_file}));
  ASSERT_EQ(run.exit_code, 0) << run.errors;
  EXPECT_THAT(run.errors, HasSubstr("1 rank cannot be cut into 2 stages and is left out"));
  EXPECT_THAT(run.output, HasSubstr("3 new tokens, 2 stages"));
  const Json result = ParseJson(ReadFile(json_file), "result");
  ASSERT_EQ(result["points"].size(), 3u);
  std::vector<int> stages;
  for (const Json& point : result["points"]) {
    stages.push_back(point.value("pipeline_stages", 1));
    // A text has a token in every second step of two stages.
    EXPECT_EQ(point["decode"]["work"]["steps"], 3 * stages.back());
    EXPECT_EQ(point["decode"]["split_seconds"].size(), point["ranks"]);
  }
  EXPECT_THAT(stages, testing::ElementsAre(1, 1, 2));

  const Outcome world = RunUnderMpirun(2, Small({"--pp", "2", "--rounds", "1", "--json", "-"}));
  ASSERT_EQ(world.exit_code, 0) << world.errors;
  const Json of_world = ParseJson(world.output, "result");
  ASSERT_FALSE(of_world["points"].empty());
  for (const Json& point : of_world["points"]) EXPECT_EQ(point["pipeline_stages"], 2);
}

TEST_F(AScalingBench, MarksWhatHasMoreThreadsThanCores) {
  const Outcome run = RunScript(
      "core=$(taskset -pc $$ | sed 's/.*: *//; s/[^0-9].*//'); exec taskset -c $core \"$@\"",
      Small({"--ranks", "1,2", "--rounds", "1", "--json", "-"}));
  ASSERT_EQ(run.exit_code, 0) << run.errors;
  const Json result = ParseJson(run.output, "result");
  ASSERT_FALSE(result["points"].empty());
  for (const Json& point : result["points"])
    EXPECT_EQ(point["oversubscribed"], point["ranks"] == 2) << point["ranks"];
}

TEST_F(AScalingBench, MeasuresAWorldThatIsThere) {
  Words words = Small({"--rounds", "1", "--json", "-"});
  const Outcome run = RunUnderMpirun(2, words);
  ASSERT_EQ(run.exit_code, 0) << run.errors;
  const Json result = ParseJson(run.output, "result");
  for (const Json& point : result["points"]) EXPECT_EQ(point["ranks"], 2);
  words.insert(words.end(), {"--ranks", "1,2"});
  const Outcome refused = RunUnderMpirun(2, words);
  EXPECT_EQ(refused.exit_code, 2);
  EXPECT_THAT(refused.errors, HasSubstr("in a world of 2 that has been started already"));
}

// It would run for hours.
TEST_F(AScalingBench, ShowsWhatThereIsWhenItIsInterrupted) {
  const std::string json_file = folder_ / "result.json";
  Words words = Small({"--ranks", "1,2", "--rounds", "1000", "--json", json_file});
  const Outcome run = RunScript(
      "err=$(mktemp); \"$@\" 2>$err & child=$!; "
      "while ! grep -q 'round 2' $err; do kill -0 $child || break; sleep 0.1; done; "
      "kill -TERM $child; wait $child; code=$?; cat $err >&2; rm $err; exit $code",
      words);
  EXPECT_EQ(run.exit_code, 130) << run.errors;
  EXPECT_THAT(run.output, HasSubstr("interrupted: this is what was measured so far"));
  const Json result = ParseJson(ReadFile(json_file), "result");
  EXPECT_EQ(result["interrupted"], true);
  EXPECT_GE(result["points"].size(), 3u);  // the first round is there
}

TEST_F(AScalingBench, RefusesWhatItCannotMeasure) {
  const std::vector<std::pair<Words, std::string>> refused{
      {{"--ranks", "1,x"}, "--ranks is \"x\"; expected an integer"},
      {{"--ranks", "2,2"}, "--ranks names \"2\" twice"},
      {{"--dtypes", "bf16,q8"}, "--dtypes is \"q8\""},
      {{"--scaling", "big"}, "--scaling is \"big\"; expected strong, weak or both"},
      {{"--ranks", "1,16"}, "use at most"},
      {{"--ranks", "1", "--rounds", "0"}, "--rounds is \"0\"; expected an integer"}};
  for (const auto& [words, message] : refused) {
    const Outcome run = RunLockstep(Small(words));
    EXPECT_EQ(run.exit_code, 2) << message;
    EXPECT_EQ(run.output, "") << message;
    EXPECT_THAT(run.errors, HasSubstr(message));
  }
  const Outcome run =
      RunLockstep(Small({"--ranks", "1", "--json", (folder_ / "none" / "result.json").string()}));
  EXPECT_EQ(run.exit_code, 3) << "found before it measures";
  EXPECT_EQ(run.output, "");
  EXPECT_THAT(run.errors, HasSubstr("none"));
}

TEST(AScalingBenchWithoutAModel, IsRefused) {
  const Outcome run = RunLockstep({"bench", "scaling"});
  EXPECT_EQ(run.exit_code, 2);
  EXPECT_THAT(run.errors, HasSubstr("bench scaling: no model"));
}

}  // namespace
}  // namespace lockstep
