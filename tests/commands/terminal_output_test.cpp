// What stands on a terminal, and what in a pipe: progress is for people, lines are for programs.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <regex>

#include "program.h"
#include "terminal.h"
#include "tests/support/test_data.h"

namespace lockstep {
namespace {

using testing::HasSubstr;
using testing::Not;

class TerminalOutput : public testing::Test {
 protected:
  void SetUp() override {
    std::string lines;
    for (int i = 0; i < 3; ++i) lines += "{\"prompt\": \"A\", \"max_new_tokens\": 4}\n";
    WriteText(input_, lines);
  }
  // All that comes to a terminal until the program has ended.
  std::string Screen(const std::vector<std::string>& words) const {
    Terminal terminal(words, folder_.path().string());
    EXPECT_EQ(terminal.Wait(), 0) << terminal.screen();
    return terminal.screen();
  }

  const TemporaryFolder folder_;
  const std::string model_ = CopyModel("neox_saved_single", folder_.path(), 90);
  const std::string input_ = folder_ / "in.jsonl";
};

TEST_F(TerminalOutput, HasNoProgressAmongLines) {
  for (const char* ranks : {"1", "2"}) {
    if (LOCKSTEP_TEST_RANKS == 1 && ranks[0] != '1') continue;
    const std::string screen = Screen({"generate", model_, "--input", input_, "--tp", ranks});
    EXPECT_THAT(screen, HasSubstr("\n{\"id\":1,"));
    EXPECT_THAT(screen, HasSubstr("\n{\"id\":2,"));
    EXPECT_THAT(screen, Not(HasSubstr("0 of 3 lines"))) << screen;
  }
}

TEST_F(TerminalOutput, HasProgressBesideAFile) {
  const std::string screen =
      Screen({"generate", model_, "--input", input_, "--output", folder_ / "out.jsonl"});
  EXPECT_THAT(screen, HasSubstr("of 3 lines"));
}

TEST_F(TerminalOutput, NamesTheRoundAndTheCaseOfABenchmark) {
  const std::string screen = Screen({"bench", "batch", model_, "--batch", "1,2", "--prompt-tokens",
                                     "4", "--new-tokens", "2", "--rounds", "2", "--threads", "1"});
  for (const char* phase : {"warming up, case 2 of 2: batch 2, prompt 4, 2 new",
                            "round 1 of 2: what the machine can do",
                            "round 2 of 2, case 1 of 2: batch 1, prompt 4, 2 new"})
    EXPECT_THAT(screen, HasSubstr(phase));
}

TEST_F(TerminalOutput, HasNoColours) {
  // Of "\x1b[2;31m" all are numbers up to the letter.
  const std::regex colour("\x1b\\[[0-9;]*m");
  for (const std::vector<std::string>& words :
       {std::vector<std::string>{"--help"},
        {"generate", model_, "-p", "A", "-n", "4"},
        {"generate", model_, "--input", input_, "--output", folder_ / "colours.jsonl"},
        {"plan", model_},
        {"plan", model_, "--json"}})
    EXPECT_FALSE(std::regex_search(Screen(words), colour)) << testing::PrintToString(words);
}

TEST_F(TerminalOutput, IsPlainInAPipe) {
  for (const std::vector<std::string>& words : {std::vector<std::string>{"--help"},
                                                {"generate", model_, "-p", "A", "-n", "4"},
                                                {"generate", model_, "--input", input_},
                                                {"score", model_, "--input", input_},
                                                {"plan", model_}}) {
    const Outcome run = RunLockstep(words);
    EXPECT_EQ((run.output + run.errors).find_first_of("\x1b\r"), std::string::npos)
        << testing::PrintToString(words) << run.output << run.errors;
  }
}

}  // namespace
}  // namespace lockstep
