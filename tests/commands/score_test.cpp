// `lockstep score` as a batch job: contexts and continuations, error records, groups, kills.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

#include "batch_fixture.h"
#include "core/json.h"

namespace lockstep {
namespace {

using testing::HasSubstr;

std::vector<Json> Lines(const std::string& text) {
  std::vector<Json> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(ParseJson(line, "output"));
  return lines;
}

class ScoreTest : public BatchTest {
 protected:
  std::vector<std::string> Score(const std::vector<std::string>& more = {}) const {
    std::vector<std::string> command = {"score",
                                        "--model",
                                        Command()[2],
                                        "--input",
                                        Path("in.jsonl"),
                                        "--output",
                                        Path("out"),
                                        "--set",
                                        "engine.max_sequences=4",
                                        "--threads",
                                        "1"};
    command.insert(command.end(), more.begin(), more.end());
    return command;
  }

  // Texts and continuations of all lengths, a few of them bad.
  void WriteTexts(int count) const {
    std::string input;
    for (int i = 0; i < count; ++i) {
      const std::string text(static_cast<std::size_t>(1 + i * 7 % 40),
                             static_cast<char>('a' + i % 3));
      input += i % 17 == 5 ? "{\"txt\": 1}\n"
               : i % 3 == 0
                   ? fmt::format("{{\"text\": \"{}\"}}\n", text)
                   : fmt::format("{{\"context\": \"{}\", \"continuation\": \"{}\"}}\n", text,
                                 std::string(static_cast<std::size_t>(1 + i % 4), 'x'));
    }
    WriteText(Path("in.jsonl"), input);
  }

  std::string Take() const {
    const std::string text = ReadFile(Path("out"));
    std::filesystem::remove(Path("out"));
    return text;
  }
};

TEST_F(ScoreTest, GivesAContinuationTheNumbersThatItHasInTheWholeText) {
  WriteText(Path("in.jsonl"),
            "{\"text\": \"to.be,or.not\"}\n"
            "{\"context\": \"to.be,\", \"continuation\": \"or.not\", \"id\": \"b\"}\n"
            "{\"context\": [83, 78], \"continuation\": [13]}\n");
  ASSERT_EQ(RunLockstep(Score()).exit_code, 0);
  const std::vector<Json> lines = Lines(ReadFile(Path("out")));
  ASSERT_EQ(lines.size(), 3u);
  EXPECT_FALSE(lines[0].contains("sum_logprob"));
  EXPECT_EQ(lines[1]["id"], "b");
  double sum = 0.0;
  bool greedy = true;
  ASSERT_EQ(lines[1]["tokens"].size(), 6u);
  for (std::size_t i = 0; i < 6; ++i) {
    for (const char* field : {"tokens", "logprobs", "top"})
      EXPECT_EQ(lines[1][field][i], lines[0][field][6 + i]) << field;
    sum += lines[1]["logprobs"][i].get<double>();
    greedy = greedy && lines[1]["tokens"][i] == lines[1]["top"][i];
  }
  EXPECT_NEAR(lines[1]["sum_logprob"].get<double>(), sum, 1e-5);
  EXPECT_EQ(lines[1]["is_greedy"], greedy);
  EXPECT_EQ(lines[2]["tokens"], Json::parse("[13]"));
}

// What generate goes on with at temperature 0 is greedy; with another last token it is not.
TEST_F(ScoreTest, KnowsWhatGreedyDecodingWouldHaveChosen) {
  WriteText(Path("in.jsonl"), "{\"tokens\": [83, 78, 13]}\n");
  const Outcome run =
      RunLockstep({"generate", "--model", Command()[2], "--input", Path("in.jsonl"),
                   "--max-new-tokens", "4", "--ignore-eos", "--set", "sampling.temperature=0"});
  Json chosen = Lines(run.output).at(0).at("tokens");
  ASSERT_EQ(chosen.size(), 4u) << run.errors;
  Json other = chosen;
  other[3] = (other[3].get<int>() + 1) % 89;
  const Json context = Json::array({83, 78, 13});
  WriteText(Path("in.jsonl"), DumpJson({{"context", context}, {"continuation", chosen}}) + "\n" +
                                  DumpJson({{"context", context}, {"continuation", other}}) + "\n");
  ASSERT_EQ(RunLockstep(Score()).exit_code, 0);
  const std::vector<Json> lines = Lines(ReadFile(Path("out")));
  EXPECT_EQ(lines[0]["is_greedy"], true);
  EXPECT_EQ(lines[1]["is_greedy"], false);
}

TEST_F(ScoreTest, IsTheSameOnAnyRanksAndInGroups) {
  if (LOCKSTEP_TEST_RANKS == 1) GTEST_SKIP() << "built without MPI";
  WriteTexts(60);
  const Outcome one = RunLockstep(Score());
  EXPECT_EQ(one.exit_code, 2);
  EXPECT_THAT(one.errors, HasSubstr("4 of 60 lines could not be used: see \"error\" in their "
                                    "records; the first: " +
                                    Path("in.jsonl") + ":6: unknown field \"txt\""));
  const std::string expected = Take();
  for (const std::vector<std::string>& shape :
       {std::vector<std::string>{"--tp", "2"}, {"--dp", "2"}, {"--dp", "2", "--tp", "2"}}) {
    EXPECT_EQ(RunLockstep(Score(shape)).exit_code, 2);
    EXPECT_EQ(Take(), expected) << shape[0] << shape[1];
  }
}

TEST_F(ScoreTest, GoesOnAfterAKill) {
  WriteTexts(2000);
  RunLockstep(Score());
  const std::string expected = Take();
  // Killed later and later, until it has left something; unless it was done already.
  for (int wait = 50; !Exists("out.partial") || ReadFile(Path("out.partial")).empty();
       wait += wait / 4) {
    ASSERT_LT(wait, 100'000);
    RunAndKill(Score(), wait, Victim::kStarted);
    if (std::filesystem::remove(Path("out"))) wait /= 2;
  }
  const Outcome rest = RunLockstep(Score());
  EXPECT_EQ(rest.exit_code, 2);
  EXPECT_THAT(rest.errors, HasSubstr("lines are done; going on"));
  EXPECT_EQ(Take(), expected);
}

}  // namespace
}  // namespace lockstep
