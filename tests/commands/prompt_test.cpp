// `lockstep generate --prompt` obeys everything that a line of --input can ask for.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/files/file.h"
#include "core/json.h"
#include "program.h"
#include "tests/support/test_data.h"

namespace lockstep {
namespace {

using testing::HasSubstr;
using Flags = std::vector<std::string>;

class APrompt : public testing::Test {
 protected:
  Outcome Run(const Flags& source, const Flags& flags, const std::string& input = "") const {
    Flags command = {"generate", "--model", model_, "--max-new-tokens", "10"};
    command.insert(command.end(), source.begin(), source.end());
    command.insert(command.end(), flags.begin(), flags.end());
    return RunLockstep(command, input);
  }
  Outcome Prompt(const Flags& flags) const { return Run({"--prompt", "ROMEO"}, flags); }
  // The text that a line with the same prompt gets.
  std::string LineText(const Flags& flags) const {
    const Outcome run = Run({"--input", "-"}, flags, "{\"prompt\": \"ROMEO\"}\n");
    EXPECT_EQ(run.exit_code, 0) << run.errors;
    return ParseJson(run.output, "output")["text"].get<std::string>() + "\n";
  }

  TemporaryFolder folder_;
  std::string model_ = CopyModel("neox_saved_single", folder_.path(), 90);
};

TEST_F(APrompt, IsAnsweredAsALineIs) {
  const Outcome greedy = Prompt({});
  std::size_t different = 0;
  for (const Flags& flags :
       {Flags{"--num-beams", "4"}, Flags{"--num-beams", "3", "--length-penalty", "-3"},
        Flags{"--num-beams", "3", "--early-stopping", "true", "--length-penalty", "2"},
        Flags{"--temperature", "5", "--best-of", "5"}, Flags{"--temperature", "5", "--seed", "3"},
        Flags{"--repetition-penalty", "9", "--min-tokens", "10"}}) {
    const Outcome run = Prompt(flags);
    EXPECT_EQ(run.exit_code, 0) << run.errors;
    EXPECT_EQ(run.output, LineText(flags)) << testing::PrintToString(flags);
    different += run.output != greedy.output ? 1 : 0;
  }
  EXPECT_GE(different, 3u) << "flags without effect show nothing";
}

TEST_F(APrompt, HasAllOfItsSamplesShown) {
  for (const Flags& flags : {Flags{"--temperature", "5", "--n", "3"},
                             Flags{"--temperature", "5", "--n", "2", "--best-of", "4"},
                             Flags{"--num-beams", "3", "--n", "2"}}) {
    const Outcome run = Prompt(flags);
    EXPECT_EQ(run.exit_code, 0) << run.errors;
    const Outcome line = Run({"--input", "-"}, flags, "{\"prompt\": \"ROMEO\"}\n");
    const Json samples = ParseJson(line.output, "output")["samples"];
    std::string expected;
    for (std::size_t i = 0; i < samples.size(); ++i)
      expected += fmt::format("{}[{} of {}]\n{}\n", i == 0 ? "" : "\n", i + 1, samples.size(),
                              samples[i]["text"].get<std::string>());
    EXPECT_EQ(samples.size(), flags[3] == "3" ? 3u : 2u);
    EXPECT_EQ(run.output, expected);
  }
}

TEST_F(APrompt, IsRefusedWhereItsAnswerIsMoreThanText) {
  const Outcome logprobs = Prompt({"--logprobs", "0"});
  EXPECT_EQ(logprobs.exit_code, 2);
  EXPECT_THAT(logprobs.errors, HasSubstr("logprobs is 0, but only text is shown; use --input"));
  EXPECT_EQ(logprobs.output, "");
}

TEST_F(APrompt, IsCheckedAsALineIs) {
  EXPECT_THAT(Prompt({"--best-of", "3"}).errors,
              HasSubstr("--prompt: 3 samples at temperature 0 would all be the same"));
  EXPECT_THAT(Prompt({"--num-beams", "3", "--temperature", "1"}).errors,
              HasSubstr("--prompt: num_beams is 3, and beam search has no temperature"));
  EXPECT_THAT(Prompt({"--num-beams", "3", "--length-penalty", "-100"}).errors,
              HasSubstr("--prompt: length_penalty is -100; texts of up to 10 tokens"));
  EXPECT_THAT(Prompt({"--min-tokens", "11"}).errors, HasSubstr("min_tokens is 11"));
  EXPECT_EQ(Prompt({"--min-tokens", "11"}).exit_code, 2);
}

TEST_F(APrompt, KeepsToTheRanksThatTheConfigurationNames) {
  if (LOCKSTEP_TEST_RANKS == 1) GTEST_SKIP() << "built without MPI";
  const std::string file = folder_ / "run.yaml";
  WriteText(file, "model:\n  path: " + model_ + "\nparallel:\n  tp: 2\n");
  const Outcome run = RunUnderMpirun(3, {"generate", "--config", file, "--prompt", "A"});
  EXPECT_NE(run.exit_code, 0);
  EXPECT_THAT(run.errors,
              HasSubstr(file + ":4:7: parallel.tp 2 was asked for, but this is a world of 3"));
  EXPECT_THAT(run.errors, HasSubstr("or set it to null to use all ranks"));
}

TEST_F(APrompt, ComesFromStandardInputOrAFile) {
  const std::string usual = Prompt({}).output;
  EXPECT_EQ(Run({"--prompt", "-"}, {}, "ROMEO\n").output, usual);
  EXPECT_EQ(Run({"--prompt-file", "-"}, {}, "ROMEO").output, usual);
  WriteText(folder_ / "prompt.txt", "ROMEO\n");
  EXPECT_EQ(Run({"--prompt-file", folder_ / "prompt.txt"}, {}).output, usual);
  const Outcome empty = Run({"--prompt", "-"}, {}, "");
  EXPECT_EQ(empty.exit_code, 2);
  EXPECT_THAT(empty.errors, HasSubstr("--prompt -: is empty; expected at least one character"));
}

TEST_F(APrompt, ComesFromStandardInputOnSeveralRanks) {
  if (LOCKSTEP_TEST_RANKS == 1) GTEST_SKIP() << "built without MPI";
  const std::string usual = Prompt({}).output;
  EXPECT_EQ(Run({"--prompt", "-"}, {"--tp", "2"}, "ROMEO\n").output, usual);
  EXPECT_EQ(Run({"--prompt", "-"}, {"--tp", "2", "--escape"}, "\\x52OMEO").output, usual);
}

TEST_F(APrompt, HasEscapesWhereTheyAreAskedFor) {
  const std::string usual = Run({"--prompt", "A\tB"}, {}).output;
  EXPECT_EQ(Run({"--prompt", "A\\tB"}, {"--escape"}).output, usual);
  EXPECT_NE(Run({"--prompt", "A\\tB"}, {}).output, usual);
  const Outcome wrong = Run({"--prompt", "\\q"}, {"--escape"});
  EXPECT_EQ(wrong.exit_code, 2);
  EXPECT_THAT(wrong.errors, HasSubstr("--prompt: \"\\q\" at byte 0 is no escape"));
}

TEST_F(APrompt, FollowsAModelWithoutAFlag) {
  const Outcome run = RunLockstep({"generate", model_, "--max-new-tokens", "10", "-p", "ROMEO"});
  EXPECT_EQ(run.output, Prompt({}).output) << run.errors;
}

}  // namespace
}  // namespace lockstep
