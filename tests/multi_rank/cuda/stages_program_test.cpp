// The program with --device cuda and --pp: stages of a pipeline, a GPU for each of their ranks.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/error.h"
#include "core/files/file.h"
#include "core/json.h"
#include "cuda_program.h"

namespace lockstep {
namespace {

using ::testing::HasSubstr;
using ProgramWords = std::vector<std::string>;

struct StagedCase {
  const char* model;
  const char* tensor;
  const char* stages;
};

void PrintTo(const StagedCase& one, std::ostream* out) {
  *out << one.model << ", --tp " << one.tensor << " --pp " << one.stages;
}

class StagesOnCuda : public testing::Test {
 protected:
  void SetUp() override {
    if (LOCKSTEP_TEST_RANKS == 1) GTEST_SKIP() << "built without MPI";
  }

  std::string Path(const std::string& name) const { return folder_ / name; }

  // What a command makes of lines of input, by the order of sums that is the same everywhere.
  std::string Made(ProgramWords command, const std::string& lines, const ProgramWords& more) const {
    const ProgramWords all{"--model",  (SourceFolder() / "models/shakespeare-neox").string(),
                           "--dtype",  "bf16",
                           "--device", "cuda",
                           "--set",    "parallel.batch_invariant=on"};
    command.insert(command.end(), all.begin(), all.end());
    command.insert(command.end(), more.begin(), more.end());
    return OutputOfLines(std::move(command), lines);
  }

 private:
  const TemporaryFolder folder_;
  const Variable devices_{"LOCKSTEP_CUDA_DEVICES", "4"};
};

class TextsOfStages : public StagesOnCuda, public testing::WithParamInterface<StagedCase> {};

TEST_P(TextsOfStages, AreThoseOfTheCpu) {
  const auto [model, tensor, stages] = GetParam();
  const auto few = [](const std::vector<std::string>& arguments) {
    return With(arguments, {"--max-new-tokens", "8"});
  };
  const Outcome cpu = RunLockstep(few(Generate(model, "cpu", 1)));
  const Outcome cuda =
      RunLockstep(few(With(Generate(model, "cuda", 1), {"--tp", tensor, "--pp", stages})));
  EXPECT_EQ(cuda.exit_code, 0) << cuda.errors;
  EXPECT_EQ(cuda.errors, "");
  EXPECT_EQ(cuda.output, cpu.output);
}

INSTANTIATE_TEST_SUITE_P(Layouts, TextsOfStages,
                         testing::Values(StagedCase{"shakespeare-gptj", "1", "2"},
                                         StagedCase{"shakespeare-neox", "2", "2"}));

TEST_F(StagesOnCuda, GiveTheFileOfOneGpuWithAndWithoutGraphsAndInCopies) {
  std::string lines;
  for (int i = 0; i < 6; ++i)
    lines += fmt::format(
        "{{\"prompt\": \"{}{}\", \"temperature\": {}, \"max_new_tokens\": {}, \"logprobs\": 2}}\n",
        i % 2 == 0 ? "ROMEO:" : "My lord, ", std::string(static_cast<std::size_t>(1 + 9 * i), 'a'),
        i % 3, 3 + i);
  const ProgramWords generate{"generate", "--set", "engine.max_sequences=4"};
  const std::string expected = Made(generate, lines, {});
  ASSERT_FALSE(expected.empty());
  for (const ProgramWords& layout :
       {ProgramWords{"--pp", "2", "--dp", "2"},
        ProgramWords{"--pp", "2", "--set", "parallel.cuda_graphs=off"}})
    EXPECT_EQ(Made(generate, lines, layout), expected) << layout.back();
}

TEST_F(StagesOnCuda, ScoreAndEmbedAsOneGpuDoes) {
  std::string texts;
  for (int i = 0; i < 5; ++i)
    texts += fmt::format("{{\"text\": \"To be, or {}\"}}\n",
                         std::string(static_cast<std::size_t>(1 + 9 * i), 'b'));
  for (const ProgramWords& command :
       {ProgramWords{"score"}, ProgramWords{"embed", "--layer", "1"}}) {
    const std::string expected = Made(command, texts, {});
    ASSERT_FALSE(expected.empty());
    EXPECT_EQ(Made(command, texts, {"--pp", "2"}), expected) << command.front();
  }
}

TEST_F(StagesOnCuda, AreMeasured) {
  const Outcome run = RunLockstep({"bench",
                                   "scaling",
                                   "--model",
                                   (SourceFolder() / "models/shakespeare-neox").string(),
                                   "--device",
                                   "cuda",
                                   "--dtypes",
                                   "bf16",
                                   "--pp",
                                   "2",
                                   "--prompt-tokens",
                                   "5",
                                   "--new-tokens",
                                   "3",
                                   "--batch",
                                   "1",
                                   "--rounds",
                                   "1",
                                   "--json",
                                   "-"});
  ASSERT_EQ(run.exit_code, 0) << run.errors;
  const Json points = ParseJson(run.output, "result")["points"];
  ASSERT_FALSE(points.empty());
  for (const Json& point : points) {
    EXPECT_EQ(point["ranks"], 2);
    EXPECT_EQ(point["pipeline_stages"], 2);
  }
}

// Of any stage: the one that died is named.
TEST_F(StagesOnCuda, NameARankThatDied) {
  std::string lines;
  for (int i = 0; i < 400; ++i) lines += "{\"prompt\": \"O\"}\n";
  WriteText(Path("in.jsonl"), lines);
  const std::string script =
      "\"$@\" & program=$!; for try in $(seq 300); do sleep 0.1; "
      "pids=$(pgrep -P \"$(pgrep -P $program | head -1)\" | sort -n); "
      "[ -s '" +
      Path("out.jsonl.partial") +
      "' ] && break; done; "
      "kill -9 $(echo $pids | cut -d' ' -f2); wait $program";
  const Outcome run = RunScript(script, GenerateLines(Path("in.jsonl"), Path("out.jsonl"),
                                                      {"--device", "cuda", "--pp", "2"}));
  EXPECT_EQ(run.exit_code, 4) << run.errors;
  EXPECT_THAT(run.errors, HasSubstr("lockstep: error: rank 1 on "));
  EXPECT_THAT(run.errors, HasSubstr("killed by signal 9"));
}

// Each stage of each group has GPUs of its own.
TEST_F(StagesOnCuda, AreRefusedToMoreGroupsThanThereAreGpusFor) {
  const Outcome run = RunLockstep({"serve", "shakespeare-neox", "--device", "cuda", "--dtype",
                                   "bf16", "--dp", "3", "--pp", "2"});
  EXPECT_EQ(run.exit_code, 3);
  EXPECT_THAT(run.errors,
              HasSubstr("--dp 3 times --pp 2 times --tp 1 needs 6 GPUs, and 4 can be seen here; "
                        "start at most --dp 2, or use --device cpu"));
}

}  // namespace
}  // namespace lockstep
