// `lockstep generate --input` as a batch job: killed and started again, with bad lines, on a full
// disk.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

#include "batch_fixture.h"
#include "core/json.h"

namespace lockstep {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST_F(BatchTest, GivesARecordForEveryLineBadOnesToo) {
  WriteInput(40);
  const Outcome run = RunLockstep(Command());
  EXPECT_EQ(run.exit_code, 2);
  EXPECT_THAT(run.errors, HasSubstr("3 of 40 lines could not be used"));
  std::istringstream lines(ReadFile(Path("out.jsonl")));
  int index = 0;
  for (std::string line; std::getline(lines, line); ++index) {
    const Json record = ParseJson(line, "out.jsonl");
    EXPECT_EQ(record["id"], index);
    EXPECT_EQ(record.contains("error"), index % 17 == 5);
  }
  EXPECT_EQ(index, 40);
}

// A file of another kind would be a job of error records otherwise.
TEST_F(BatchTest, RefusesAFileThatHoldsNoLines) {
  WriteText(Path("in.jsonl"), "[{\"prompt\": \"a\"},\n {\"prompt\": \"b\"}]\n");
  const Outcome run = RunLockstep(Command());
  EXPECT_EQ(run.exit_code, 2);
  EXPECT_THAT(run.errors, HasSubstr("in.jsonl: is one list of objects; expected JSON lines"));
  EXPECT_FALSE(FileExists(Path("out.jsonl")));
}

TEST_F(BatchTest, EndsWithOneLineOfTotals) {
  WriteInput(20);
  std::vector<std::string> command = Command();
  EXPECT_THAT(RunLockstep(command).errors, Not(HasSubstr("tokens/s"))) << "--quiet";
  std::erase(command, "--quiet");
  command.emplace_back("--restart");
  const Outcome run = RunLockstep(command);
  EXPECT_EQ(run.exit_code, 2);
  EXPECT_THAT(run.errors,
              testing::ContainsRegex("lockstep: 20 of 20 lines, 1 failed: [0-9]+ tokens "
                                     "in [0-9.]+ s, [0-9]+ tokens/s\n"));
}

// Ids, texts and vectors are the same whether one group answers, or two.
TEST_F(BatchTest, AnswersTheLinesOfOpenAisBatchFiles) {
  const auto line = [](int id, const std::string& url, const std::string& body) {
    return fmt::format(R"({{"custom_id": "{}", "method": "POST", "url": "/v1/{}", "body": {}}})"
                       "\n",
                       id, url, body);
  };
  std::string input;
  for (int i = 0; i < 8; ++i)
    input += line(i, "completions", R"({"model": "tiny", "prompt": ["ab", "b"], "max_tokens": 8})");
  input += line(8, "embeddings", R"({"input": "abc"})");
  input += line(9, "chat/completions", R"({"messages": [{"role": "user", "content": "a"}]})");
  input += R"({"prompt": "ab", "max_new_tokens": 3})"
           "\n";
  WriteText(Path("in.jsonl"), input);
  const std::vector<std::string> named{"--set", "server.model_name=tiny"};
  const Outcome run = RunLockstep(Command(named));
  EXPECT_EQ(run.exit_code, 2) << run.errors;
  EXPECT_THAT(run.errors, HasSubstr("1 of 11 lines could not be used"));
  const std::string output = TakeOutput();
  std::istringstream lines(output);
  for (int index = 0; index < 11; ++index) {
    std::string text;
    ASSERT_TRUE(std::getline(lines, text));
    const Json record = ParseJson(text, "out.jsonl");
    if (index == 10) {
      EXPECT_EQ(record["id"], 10);
      continue;
    }
    EXPECT_EQ(record["custom_id"], std::to_string(index));
    EXPECT_EQ(record["response"]["status_code"], index == 9 ? 400 : 200) << text;
    if (index < 8) {
      EXPECT_EQ(record["response"]["body"]["choices"].size(), 2U);
    }
    if (index == 8) {
      EXPECT_TRUE(record["response"]["body"]["data"][0]["embedding"].is_array());
    }
  }
  if (LOCKSTEP_TEST_RANKS == 1) return;
  const Outcome groups =
      RunLockstep(Command({"--set", "server.model_name=tiny", "--dp", "2", "--tp", "1"}));
  EXPECT_EQ(groups.exit_code, 2) << groups.errors;
  EXPECT_EQ(TakeOutput(), output);
}

TEST_F(BatchTest, GoesOnAfterKillsAsIfNothingHadBeen) {
  WriteInput(120);
  ExpectTheSameAfterKills(6);
}

TEST_F(BatchTest, GoesOnAfterKillsOnTwoRanks) {
  if (LOCKSTEP_TEST_RANKS == 1) GTEST_SKIP() << "built without MPI";
  WriteInput(300);
  ExpectTheSameAfterKills(4, {"--tp", "2"});
}

TEST_F(BatchTest, RefusesToGoOnWithAnotherInputOrOtherSettings) {
  WriteInput(400);
  for (int wait = 100; !Exists("out.jsonl.partial") || ReadFile(Path("out.jsonl.partial")).empty();
       wait += 50)
    RunAndKill(Command(), wait, Victim::kStarted);
  const std::string before = ReadFile(Path("out.jsonl.partial"));
  const Outcome other = RunLockstep(Command({"--seed", "5"}));
  EXPECT_EQ(other.exit_code, 2);
  EXPECT_THAT(other.errors, HasSubstr("another sampling.seed: it was 0 and is 5 now"));
  EXPECT_THAT(other.errors, HasSubstr("--restart"));
  const std::string input = ReadFile(Path("in.jsonl"));
  WriteInput(5);
  EXPECT_THAT(RunLockstep(Command()).errors, HasSubstr("belongs to a job with another input"));
  EXPECT_EQ(ReadFile(Path("out.jsonl.partial")), before);
  const Outcome again = RunLockstep(Command({"--restart"}));
  EXPECT_EQ(again.exit_code, 0) << again.errors;
  const std::string records = ReadFile(Path("out.jsonl"));
  EXPECT_EQ(std::count(records.begin(), records.end(), '\n'), 5);
}

// Whatever is done to the input after the first record: nothing appears, and nothing is lost.
TEST_F(BatchTest, CommitsNothingWhenTheInputChangesWhileItIsRead) {
  WriteInput(400);
  const std::string input = ReadFile(Path("in.jsonl"));
  const std::string expected = Uninterrupted();
  WriteInput(399);
  std::filesystem::rename(Path("in.jsonl"), Path("other.jsonl"));
  std::vector<std::vector<std::string>> ranks{{}};
  if (LOCKSTEP_TEST_RANKS > 1) ranks.push_back({"--dp", "2"});
  for (const std::string change :
       {"truncate -s 1000 in.jsonl", "cat other.jsonl >> in.jsonl", "mv other.jsonl in.jsonl"}) {
    WriteText(Path("in.jsonl"), input);
    const Outcome run = RunScript(
        fmt::format("cd '{}'; \"$@\" & while ! test -s out.jsonl.partial; do sleep 0.01; done; "
                    "{}; wait $!",
                    Path(""), change),
        Command(ranks[change.front() == 't' ? ranks.size() - 1 : 0]));
    EXPECT_EQ(run.exit_code, 3) << change << run.errors;
    EXPECT_THAT(run.errors, HasSubstr("in.jsonl: has changed while it was read"));
    EXPECT_FALSE(Exists("out.jsonl"));
    EXPECT_THAT(RunLockstep(Command()).errors, HasSubstr("job with another input"));
    WriteText(Path("in.jsonl"), input);
    EXPECT_EQ(Uninterrupted(), expected) << "what was kept is right";
  }
}

// Stands for a full disk: writing past a limit fails.
TEST_F(BatchTest, LosesNothingWhenTheDiskIsFull) {
  WriteInput(60);
  const std::string expected = Uninterrupted();
  const Outcome full = RunLimited(Command(), 4096);
  EXPECT_EQ(full.exit_code, 3);
  EXPECT_THAT(full.errors, HasSubstr("writing failed"));
  EXPECT_THAT(full.errors, HasSubstr("what is finished is kept"));
  EXPECT_GT(ReadFile(Path("out.jsonl.partial")).size(), 2000u);
  const Outcome rest = RunLockstep(Command());
  EXPECT_EQ(rest.exit_code, 2) << rest.errors;
  EXPECT_EQ(ReadFile(Path("out.jsonl")), expected);
}

TEST_F(BatchTest, SamplesAndProbabilitiesAreInTheRecord) {
  WriteText(
      Path("in.jsonl"),
      "{\"prompt\": \"ab\", \"temperature\": 1, \"n\": 2, \"best_of\": 4, \"logprobs\": 2, "
      "\"max_new_tokens\": 3, \"prompt_logprobs\": 1}\n"
      "{\"prompt\": \"ab\", \"temperature\": 1, \"seed\": 3, \"max_new_tokens\": 3}\n"
      "{\"prompt\": \"ab\", \"temperature\": 1, \"seed\": 3, \"max_new_tokens\": 3, \"n\": 3}\n"
      "{\"prompt\": \"ab\", \"temperature\": 1, \"seed\": 3, \"max_new_tokens\": 3, \"n\": 3}\n");
  const Outcome run = RunLockstep(Command());
  ASSERT_EQ(run.exit_code, 0) << run.errors;
  std::istringstream stream(ReadFile(Path("out.jsonl")));
  std::vector<Json> records;
  for (std::string line; std::getline(stream, line);) records.push_back(Json::parse(line));
  ASSERT_EQ(records.at(0)["samples"].size(), 2u);
  double last = 0.0;
  for (const Json& sample : records[0]["samples"]) {
    EXPECT_EQ(sample["logprobs"].size(), 3u);
    EXPECT_EQ(sample["top_logprobs"][0].size(), 2u);
    double sum = 0.0;
    for (const Json& one : sample["logprobs"]) sum += one.get<double>();
    if (last != 0.0) {
      EXPECT_LE(sum, last);
    }
    last = sum;
  }
  EXPECT_TRUE(records[0]["prompt_logprobs"][0].is_null());
  EXPECT_LT(records[0]["prompt_logprobs"][1].get<double>(), 0.0);
  EXPECT_EQ(records[2]["samples"][0]["tokens"], records[1]["tokens"]);
  EXPECT_NE(records[2]["samples"][0]["tokens"], records[2]["samples"][1]["tokens"]);
  EXPECT_EQ(records[3]["samples"], records[2]["samples"]) << "with one seed they come again";
}

}  // namespace
}  // namespace lockstep
