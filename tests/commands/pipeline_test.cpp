// `--pp P`: the same output from every layout of ranks, and what is said where there is none.
#include <fmt/ranges.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "batch_fixture.h"
#include "core/hash.h"
#include "core/json.h"

namespace lockstep {
namespace {

using testing::HasSubstr;

using CommandWords = std::vector<std::string>;

class PipelineTest : public BatchTest {
 protected:
  void SetUp() override {
    if (LOCKSTEP_TEST_RANKS == 1) GTEST_SKIP() << "built without MPI";
  }

  static std::string Demo(const std::string& model) { return SourceFolder() / "models" / model; }

  // What a command makes of these lines of input, and more words.
  std::string Made(const std::string& command, const std::string& model, const std::string& lines,
                   const CommandWords& more) const {
    return OutputOfLines(With({command, "--model", model, "--threads", "1"}, more), lines);
  }

  static CommandWords With(CommandWords words, const CommandWords& more) {
    words.insert(words.end(), more.begin(), more.end());
    return words;
  }
};

// tp x pp x dp, through memory and through messages.
const CommandWords kPipelineLayouts[] = {
    {"--tp", "2"},
    {"--tp", "4"},
    {"--pp", "4", "--dp", "2"},
    {"--pp", "2"},
    {"--pp", "3"},
    {"--pp", "4"},
    {"--tp", "2", "--pp", "2"},
    {"--tp", "2", "--pp", "4"},
    {"--tp", "4", "--pp", "2"},
    {"--pp", "2", "--dp", "2"},
    {"--tp", "2", "--pp", "2", "--dp", "2"},
    {"--tp", "2", "--pp", "2", "--set", "comm.shared_memory=off"},
};

std::uint64_t HashOf(const std::string& text) { return HashBytes(std::as_bytes(std::span(text))); }

std::string PromptsOfDemo() {
  std::string lines;
  for (int i = 0; i < 12; ++i)
    lines += fmt::format(
        "{{\"prompt\": \"{} {}\", \"temperature\": {}, \"max_new_tokens\": {}, \"logprobs\": 2}}\n",
        i % 2 == 0 ? "ROMEO:" : "My lord, what is the news of",
        std::string(static_cast<std::size_t>(1 + 11 * i), 'a'), i % 3, 3 + i);
  return lines;
}

TEST_F(PipelineTest, GivesOneHashForEachModelAndFormatOnEveryLayout) {
  const std::string lines = PromptsOfDemo();
  for (const auto& [model, dtype] :
       {std::pair{"shakespeare-neox", "int8"}, {"shakespeare-gptj", "bf16"}}) {
    const CommandWords format{"--dtype", dtype, "--set", "engine.max_sequences=6"};
    const std::string expected = Made("generate", Demo(model), lines, format);
    ASSERT_FALSE(expected.empty());
    for (const CommandWords& layout : kPipelineLayouts)
      EXPECT_EQ(HashOf(Made("generate", Demo(model), lines, With(format, layout))),
                HashOf(expected))
          << model << " in " << dtype << ", " << fmt::format("{}", fmt::join(layout, " "));
  }
}

TEST_F(PipelineTest, ScoresAndEmbedsAsOneRankDoes) {
  std::string texts;
  for (int i = 0; i < 12; ++i)
    texts += fmt::format("{{\"text\": \"To be, or {}\"}}\n",
                         std::string(static_cast<std::size_t>(1 + 9 * i), 'b'));
  const std::string model = Demo("shakespeare-neox");
  for (const CommandWords& command :
       {CommandWords{"score"}, CommandWords{"embed"}, CommandWords{"embed", "--layer", "0"},
        CommandWords{"embed", "--layer", "2"}}) {
    const CommandWords more(command.begin() + 1, command.end());
    const std::string expected = Made(command[0], model, texts, more);
    ASSERT_FALSE(expected.empty());
    for (const CommandWords& layout :
         {CommandWords{"--pp", "2"}, CommandWords{"--pp", "3", "--tp", "2"}})
      EXPECT_EQ(Made(command[0], model, texts, With(more, layout)), expected)
          << fmt::format("{} {}", fmt::join(command, " "), fmt::join(layout, " "));
  }
}

TEST_F(PipelineTest, GoesOnAfterKillsAsIfNothingHadBeen) {
  WriteInput(200);
  ExpectTheSameAfterKills(4, {"--pp", "2"});
}

TEST_F(PipelineTest, IsRefusedWhereThereIsNone) {
  const std::string model = Demo("shakespeare-neox");
  const auto refusal = [](const Outcome& run) {
    EXPECT_EQ(run.exit_code, 2) << run.errors;
    return run.errors;
  };
  const CommandWords generate{"generate", "--model", model, "--prompt", "a"};
  EXPECT_EQ(refusal(RunLockstep(With(generate, {"--pp", "5"}))),
            "lockstep: error: pipeline: 4 blocks over 5 stages leaves 1 stage empty; use at most "
            "--pp 4\n");
  EXPECT_THAT(refusal(RunUnderMpirun(3, With(generate, {"--pp", "2"}))),
              HasSubstr("--pp 2 was asked for, but a world of 3 cannot be divided into 2 stages of "
                        "as many ranks; start it with mpirun -n 4"));
  EXPECT_THAT(refusal(RunUnderMpirun(2, With(generate, {"--pp", "2", "--tp", "2"}))),
              HasSubstr("--pp 2 --tp 2 ask for 4 ranks, but this is a world of 2"));
  EXPECT_THAT(
      refusal(RunLockstep({"bench", "scaling", "--model", model, "--pp", "3", "--ranks", "2,4"})),
      HasSubstr("bench scaling: 3 stages need 3 ranks or a multiple of that, and the rank "
                "counts are 2, 4; give others with --ranks"));
  EXPECT_THAT(
      refusal(RunLockstep({"bench", "scaling", "--model", model, "--ranks", "5", "--pp", "5"})),
      HasSubstr("--pp 4"));
  EXPECT_THAT(refusal(RunUnderMpirun(2, {"bench", "scaling", "--model", model, "--stages", "2"})),
              HasSubstr("--stages in a world of 2 ranks that has been started already"));
}

TEST_F(PipelineTest, UsesAWorldThatItDivides) {
  const CommandWords generate{"generate", "--model", Demo("shakespeare-neox"),
                              "--prompt", "ROMEO:",  "--max-new-tokens",
                              "12"};
  const Outcome alone = RunLockstep(generate);
  EXPECT_EQ(alone.exit_code, 0) << alone.errors;
  const Outcome world = RunUnderMpirun(4, With(generate, {"--pp", "2"}));
  EXPECT_EQ(world.exit_code, 0) << world.errors;
  EXPECT_EQ(world.output, alone.output);
}

// Of any stage: the one that died is named.
TEST_F(PipelineTest, NamesARankOfAnotherStageThatDied) {
  WriteInput(4000);
  CommandWords command = Command({"--pp", "2"});
  const std::string script =
      "\"$@\" & program=$!; for try in $(seq 300); do sleep 0.1; "
      "pids=$(pgrep -P \"$(pgrep -P $program | head -1)\" | sort -n); "
      "[ -s '" +
      Path("out.jsonl.partial") +
      "' ] && break; done; "
      "kill -9 $(echo $pids | cut -d' ' -f2); wait $program";
  const Outcome run = RunScript(script, command);
  EXPECT_EQ(run.exit_code, 4) << run.errors;
  EXPECT_THAT(run.errors, HasSubstr("lockstep: error: rank 1 on "));
  EXPECT_THAT(run.errors, HasSubstr("killed by signal 9"));
}

TEST_F(PipelineTest, ShowsWhatEachStageHolds) {
  const CommandWords plan{"plan", Demo("shakespeare-neox"), "--pp", "2"};
  const Outcome table = RunLockstep(plan);
  EXPECT_EQ(table.exit_code, 0) << table.errors;
  EXPECT_THAT(table.output, HasSubstr("rank   blocks    heads"));
  const Json json = ParseJson(RunLockstep(With(plan, {"--json"})).output, "plan");
  EXPECT_EQ(json.at("pp"), 2);
  const Json& ranks = json.at("ranks");
  ASSERT_EQ(ranks.size(), 2u);
  EXPECT_EQ(ranks.at(0).at("slices").at("blocks").at(1),
            ranks.at(1).at("slices").at("blocks").at(0));
  const Json whole =
      ParseJson(RunLockstep({"plan", Demo("shakespeare-neox"), "--json"}).output, "plan");
  EXPECT_EQ(json.at("parameters"), whole.at("parameters"));
  const std::int64_t all = whole.at("ranks").at(0).at("weight_bytes");
  for (const Json& rank : ranks)
    EXPECT_LT(rank.at("weight_bytes").get<std::int64_t>(), all * 3 / 4);
}

}  // namespace
}  // namespace lockstep
