// `lockstep bench` on tiny models: the shape of what it says, never how fast anything is.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/json.h"
#include "program.h"
#include "tests/support/test_data.h"
#include "tiny_model.h"

namespace lockstep {
namespace {

using testing::HasSubstr;

class ABench : public testing::Test {
 protected:
  void SetUp() override { WriteText(config_, kTinyModel); }

  // Small and short, whatever `words` leave open.
  Outcome Run(std::vector<std::string> words) const {
    words.insert(words.begin(), "bench");
    return RunLockstep(words);
  }
  Json Report(std::vector<std::string> words) const {
    words.insert(words.end(), {"--model", config_, "--threads", "1", "--rounds", "2", "--json"});
    const Outcome run = Run(words);
    EXPECT_EQ(run.exit_code, 0) << run.errors;
    return ParseJson(run.output, "bench");
  }

  TemporaryFolder folder_;
  std::string config_ = folder_ / "tiny.yaml";
};

void ExpectSpread(const Json& spread, std::size_t rounds) {
  EXPECT_EQ(spread["rounds"].size(), rounds);
  EXPECT_GT(spread["min"].get<double>(), 0.0);
  EXPECT_LE(spread["min"].get<double>(), spread["median"].get<double>());
  EXPECT_LE(spread["median"].get<double>(), spread["max"].get<double>());
}

// It would run for hours.
TEST_F(ABench, EndsAtOnceWhenItIsInterrupted) {
  using Words = std::vector<std::string>;
  for (const Words& what :
       {Words{"decode", "--tp", "1"}, {"decode", "--tp", "2"}, {"comm", "--tp", "2"}}) {
    if (what.back() == "2" && LOCKSTEP_TEST_RANKS == 1) continue;
    Words words = {"bench"};
    words.insert(words.end(), what.begin(), what.end());
    words.insert(words.end(), {"--rounds", "1000000"});
    if (what[0] != "comm") words.insert(words.end(), {"--model", config_, "--threads", "1"});
    const Outcome run =
        RunScript("\"$@\" & child=$!; sleep 1.5; kill -TERM $child; wait $child", words);
    EXPECT_EQ(run.exit_code, 130) << what[0] << run.errors;
    EXPECT_THAT(run.errors, HasSubstr("lockstep: interrupted")) << what[0];
  }
}

TEST_F(ABench, MakesUpTheWeightsOfAConfigurationWithoutACheckpoint) {
  const Json report = Report({"decode", "--new-tokens", "3", "--prompt-tokens", "5"});
  EXPECT_EQ(report["model"], "nobody/tiny");
  const Json& about = report["about"];
  for (const char* name :
       {"version", "commit", "host", "processor", "instruction_set", "device", "date"})
    EXPECT_TRUE(about[name].is_string()) << name;
  EXPECT_THAT(about["command"].get<std::string>(), HasSubstr("bench decode --new-tokens 3"));
  EXPECT_EQ(report["weights"], "random");
  EXPECT_EQ(report["dtype"], "fp32");
  EXPECT_EQ(report["ranks"], 1);
  EXPECT_EQ(report["threads_per_rank"], 1);
  EXPECT_EQ(report["weight_bytes"].size(), 1u);
  EXPECT_EQ(report["peak_memory_bytes"].size(), 1u);
  ASSERT_EQ(report["cases"].size(), 1u);
  const Json& one = report["cases"][0];
  EXPECT_EQ(one["benchmark"], "decode");
  EXPECT_EQ(one["sequences"], 1);
  EXPECT_EQ(one["prompt_tokens"], 5);
  EXPECT_EQ(one["new_tokens"], 3);
  ExpectSpread(one["tokens_per_second"], 2);
  // Blocks and head; the linears of this model are 2 * 12 * 32 * 32 and 100 * 32 elements.
  EXPECT_GT(one["per_token"]["weight_bytes"].get<double>(), 4.0 * (24576 + 3200));
  // Positions 5, 6 and 7: 6, 7 and 8 keys and values of 32 elements in 2 layers.
  EXPECT_EQ(one["per_token"]["cache_bytes"].get<double>(), 2 * 2 * 32 * 4 * 7.0);
  EXPECT_EQ(one["per_token"]["multiply_adds"].get<double>(), 24576 + 3200 + 2 * 2 * 32 * 7.0);
}

TEST_F(ABench, GivesTheShareOfCeilingsItHasMeasured) {
  const Json report = Report({"decode", "--new-tokens", "2"});
  std::vector<std::string> names;
  for (const Json& ceiling : report["ceilings"]) {
    ExpectSpread(ceiling, 3);  // before, between and after
    names.push_back(ceiling["name"]);
  }
  ASSERT_FALSE(names.empty());
  EXPECT_EQ(names.front(), "read bandwidth");
  EXPECT_THAT(names, testing::Contains(testing::StartsWith("fp32")));
  const Json& shares = report["cases"][0]["of_ceilings"];
  ASSERT_EQ(shares.size(), 2u);  // of the memory and of fp32
  for (const Json& share : shares) {
    ExpectSpread(share, 2);
    EXPECT_THAT(names, testing::Contains(share["ceiling"].get<std::string>()));
  }
}

TEST_F(ABench, MeasuresACaseForEachBatchAndPrompt) {
  const Json report = Report({"batch", "--batch", "1,3", "--prompt-tokens", "4,9", "--new-tokens",
                              "2", "--dtype", "bf16"});
  ASSERT_EQ(report["cases"].size(), 4u);
  const Json& last = report["cases"][3];
  EXPECT_EQ(last["sequences"], 3);
  EXPECT_EQ(last["prompt_tokens"], 9);
  EXPECT_EQ(report["dtype"], "bf16");
}

TEST_F(ABench, MeasuresPromptsLongerThanAStep) {
  const Json report =
      Report({"prefill", "--prompt-tokens", "50", "--set", "engine.max_step_tokens=16"});
  const Json& one = report["cases"][0];
  EXPECT_EQ(one["benchmark"], "prefill");
  EXPECT_EQ(one["new_tokens"], 0);
  ExpectSpread(one["tokens_per_second"], 2);
}

TEST_F(ABench, PrintsATable) {
  const Outcome run = Run({"decode", "--model", config_, "--threads", "1", "--rounds", "1",
                           "--new-tokens", "2", "--prompt-tokens", "2", "--dtype", "fp32"});
  EXPECT_EQ(run.exit_code, 0) << run.errors;
  EXPECT_EQ(run.errors, "");
  for (const char* part : {"nobody/tiny, random weights, fp32; 1 rank of 1 thread",
                           "read bandwidth", "decode, 1 sequence, prompt 2, 2 new tokens",
                           "tokens/s", "% of read bandwidth", "multiply-adds", "peak memory"})
    EXPECT_THAT(run.output, HasSubstr(part));
}

TEST_F(ABench, UsesTheCheckpointWhereThereIsOne) {
  const std::string model = CopyModel("neox_saved_single", folder_.path(), 64);
  const std::vector<std::string> few{"--threads",    "1", "--rounds", "1",
                                     "--new-tokens", "1", "--json"};
  std::vector<std::string> words{"decode", "--model", model};
  words.insert(words.end(), few.begin(), few.end());
  Outcome run = Run(words);
  EXPECT_EQ(run.exit_code, 0) << run.errors;
  EXPECT_EQ(ParseJson(run.output, "bench")["weights"], "checkpoint");
  words.push_back("--random-weights");
  run = Run(words);
  EXPECT_EQ(run.exit_code, 0) << run.errors;
  EXPECT_EQ(ParseJson(run.output, "bench")["weights"], "random");
}

TEST_F(ABench, RefusesWhatItCannotMeasure) {
  const std::vector<std::pair<std::vector<std::string>, std::string>> refused{
      {{"--model", config_},
       "flag \"--model\" stands before the command; write lockstep bench COMMAND --model ..."},
      {{}, "bench: no command; expected decode, prefill, batch, comm, scaling, serve, compare"},
      {{"prefil", "--model", config_},
       "unknown command \"prefil\" of bench; the nearest is prefill"},
      {{"decode"}, "bench decode: no model"},
      {{"decode", "--model", config_, "--batch", "1,x"}, "--batch is \"x\"; expected an integer"},
      {{"decode", "--model", config_, "--batch", "1,"}, "--batch is \"\"; expected an integer"},
      {{"decode", "--model", config_, "--rounds", "0"}, "--rounds is \"0\"; expected an integer"},
      {{"prefill", "--model", config_, "--new-tokens", "3"},
       "unknown flag \"--new-tokens\" of bench prefill"},
      {{"decode", "--model", config_, "--bytes", "4096"},
       "unknown flag \"--bytes\" of bench decode"},
      {{"comm", "--tp", "2", "--batch", "2"}, "unknown flag \"--batch\" of bench comm"},
      {{"comm"}, "needs two or more ranks, found 1"},
      {{"decode", "--model", config_, "--new-tokens", "60"}, "past the model's context of 64"},
      {{"decode", "--model", folder_.path()}, "config.json"}};
  for (const auto& [words, message] : refused) {
    const Outcome run = Run(words);
    EXPECT_EQ(run.exit_code, 2) << message;
    EXPECT_EQ(run.output, "") << message;
    EXPECT_THAT(run.errors, HasSubstr(message));
  }
}

TEST_F(ABench, MeasuresRanksTogether) {
  if (LOCKSTEP_TEST_RANKS == 1) GTEST_SKIP() << "built without MPI";
  const Json report = Report({"decode", "--tp", "3", "--new-tokens", "2"});
  EXPECT_EQ(report["ranks"], 3);
  EXPECT_EQ(report["weight_bytes"].size(), 3u);
  EXPECT_EQ(report["peak_memory_bytes"].size(), 3u);
}

TEST_F(ABench, ComparesAllReducesWithMpi) {
  if (LOCKSTEP_TEST_RANKS == 1) GTEST_SKIP() << "built without MPI";
  const Outcome run = Run({"comm", "--tp", "2", "--bytes", "64,4096", "--rounds", "2", "--json"});
  ASSERT_EQ(run.exit_code, 0) << run.errors;
  const Json report = ParseJson(run.output, "bench");
  EXPECT_EQ(report["ranks"], 2);
  ASSERT_EQ(report["cases"].size(), 2u);
  EXPECT_EQ(report["cases"][1]["bytes"], 4096);
  for (const Json& one : report["cases"])
    for (const char* field : {"lockstep_us", "mpi_us", "mpi_over_lockstep", "in_step_us"})
      ExpectSpread(one[field], 2);
  const Outcome table = Run({"comm", "--tp", "2", "--bytes", "64", "--rounds", "1"});
  EXPECT_THAT(table.output, HasSubstr("MPI / Lockstep"));
}

// They are placed as those of a model are. Ranks that spin on one core hold each other up.
TEST_F(ABench, AddsUpOverRanksThatShareACoreAsOverThoseOfAModel) {
  if (LOCKSTEP_TEST_RANKS == 1) GTEST_SKIP() << "built without MPI";
  const std::string on_one_core =
      "first=$(sed -n 's/^Cpus_allowed_list:[[:space:]]*\\([0-9]*\\).*/\\1/p' /proc/self/status)\n"
      "exec taskset -c \"$first\" \"$@\"";
  const Outcome run = RunScript(
      on_one_core, {"bench", "comm", "--tp", "2", "--bytes", "64", "--rounds", "1", "--json"});
  ASSERT_EQ(run.exit_code, 0) << run.errors;
  EXPECT_EQ(ParseJson(run.output, "bench")["waiting"], "yields");
}
}  // namespace
}  // namespace lockstep
