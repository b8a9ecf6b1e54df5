// `lockstep generate` and `score` on whole small models, on one rank and on several.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "core/error.h"
#include "core/files/file.h"
#include "core/json.h"
#include "program.h"
#include "tests/support/test_data.h"

namespace lockstep {
namespace {

using testing::HasSubstr;

constexpr const char* kSavedModel = "gptj_saved_single";  // weights in its folder
constexpr int kVocabulary = 90;                           // of the 97 rows

std::vector<Json> Lines(const std::string& text) {
  std::vector<Json> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(ParseJson(line, "output"));
  return lines;
}

class OnAModel : public testing::Test {
 protected:
  std::string Model() const { return model_; }
  std::string File(const std::string& name, const std::string& text) const {
    WriteText(folder_ / name, text);
    return folder_ / name;
  }
  std::string Path(const std::string& name) const { return folder_ / name; }

 private:
  TemporaryFolder folder_;
  std::string model_ = CopyModel(kSavedModel, folder_.path(), kVocabulary);
};

TEST_F(OnAModel, GenerateStreamsTheContinuationAlone) {
  const Outcome run = RunLockstep({"generate", "--model", Model(), "--prompt", "ROMEO",
                                   "--max-new-tokens", "8", "--ignore-eos"});
  EXPECT_EQ(run.exit_code, 0) << run.errors;
  EXPECT_EQ(run.errors, "");
  ASSERT_EQ(run.output.back(), '\n');
  EXPECT_THAT(run.output, testing::Not(testing::StartsWith("ROMEO")));
  const std::string lines = File("in.jsonl", "{\"prompt\": \"ROMEO\", \"max_new_tokens\": 8}\n");
  const Outcome batch =
      RunLockstep({"generate", "--model", Model(), "--input", lines, "--ignore-eos"});
  ASSERT_EQ(batch.exit_code, 0) << batch.errors;
  const Json result = Lines(batch.output).at(0);
  EXPECT_EQ(result["text"].get<std::string>() + "\n", run.output);
  EXPECT_EQ(result["tokens"].size(), 8u);
  EXPECT_EQ(result["finish_reason"], "length");
  EXPECT_EQ(result["prompt"], "ROMEO");
  EXPECT_EQ(result["id"], 0);
}

TEST_F(OnAModel, GenerateAnswersInInputOrderWithIds) {
  const std::string input =
      File("in.jsonl",
           "{\"id\": \"long\", \"prompt\": \"ABC\", \"max_new_tokens\": 20}\n\n"
           "{\"id\": 7, \"tokens\": [32, 33], \"max_new_tokens\": 1}\n"
           "{\"prompt\": \"x\", \"max_new_tokens\": 5, \"temperature\": 1, \"seed\": 3}\n");
  const Outcome run = RunLockstep({"generate", "--model", Model(), "--input", input, "--output",
                                   Path("out.jsonl"), "--ignore-eos", "--quiet"});
  ASSERT_EQ(run.exit_code, 0) << run.errors;
  EXPECT_EQ(run.output, "");
  const auto lines = Lines(ReadFile(Path("out.jsonl")));
  ASSERT_EQ(lines.size(), 3u);
  EXPECT_EQ(lines[0]["id"], "long");
  EXPECT_EQ(lines[0]["tokens"].size(), 20u);
  EXPECT_EQ(lines[1]["id"], 7);
  EXPECT_EQ(lines[1]["prompt"], "AB");
  EXPECT_EQ(lines[1]["tokens"].size(), 1u);
  EXPECT_EQ(lines[2]["id"], 2);
}

TEST_F(OnAModel, GenerateNeverSamplesPaddingOfTheVocabulary) {
  std::string input;
  for (int i = 0; i < 8; ++i) input += "{\"prompt\": \"abc\", \"temperature\": 5.0}\n";
  const Outcome run = RunLockstep(
      {"generate", "--model", Model(), "--input", "-", "--max-new-tokens", "50"}, input);
  ASSERT_EQ(run.exit_code, 0) << run.errors;
  std::set<Json> texts;
  for (const Json& line : Lines(run.output)) {
    texts.insert(line["text"]);
    for (const Json& token : line["tokens"]) EXPECT_LT(token.get<int>(), kVocabulary);
  }
  EXPECT_GT(texts.size(), 1u) << "each line has random numbers of its own";
}

TEST_F(OnAModel, GenerateStopsBeforeAStopText) {
  const std::vector<std::string> command = {
      "generate", "--model", Model(), "--prompt", "KING", "--max-new-tokens", "20", "--ignore-eos"};
  const Outcome whole = RunLockstep(command);
  ASSERT_EQ(whole.exit_code, 0) << whole.errors;
  ASSERT_GT(whole.output.size(), 6u);
  const std::string stop = whole.output.substr(4, 2);
  auto with_stop = command;
  with_stop.insert(with_stop.end(), {"--stop", stop});
  const Outcome cut = RunLockstep(with_stop);
  EXPECT_EQ(cut.output, whole.output.substr(0, whole.output.find(stop)) + "\n");
}

TEST_F(OnAModel, GenerateEndsAtTheContextsEnd) {
  const std::string prompt(63, 'a');
  const std::string input = File("in.jsonl", DumpJson({{"prompt", prompt}}) + "\n");
  const Outcome run = RunLockstep({"generate", "--model", Model(), "--input", input});
  ASSERT_EQ(run.exit_code, 0) << run.errors;
  EXPECT_EQ(Lines(run.output).at(0)["tokens"].size(), 1u);
}

TEST_F(OnAModel, RanksGiveTheSameTextAsOne) {
  std::string input;
  for (const char* prompt : {"ABC", "to-be-or-not-to-be", "x"})
    input += fmt::format("{{\"prompt\": \"{}\"}}\n{{\"prompt\": \"{}\", \"temperature\": 0.9}}\n",
                         prompt, prompt);
  const std::vector<std::string> command = {
      "generate", "--model", Model(), "--input", "-", "--max-new-tokens", "12", "--ignore-eos"};
  const Outcome one = RunLockstep(command, input);
  ASSERT_EQ(one.exit_code, 0) << one.errors;
  ASSERT_EQ(Lines(one.output).size(), 6u);
  for (const int ranks : {2, 3, 5}) {
    if (ranks > LOCKSTEP_TEST_RANKS) break;
    auto parallel = command;
    parallel.insert(parallel.end(), {"--tp", std::to_string(ranks)});
    const Outcome run = RunLockstep(parallel, input);
    EXPECT_EQ(run.exit_code, 0) << run.errors;
    EXPECT_EQ(run.output, one.output) << ranks << " ranks";
  }
}

TEST_F(OnAModel, ScoreGivesProbabilitiesAndTheLikeliest) {
  const std::string input =
      File("in.jsonl", "{\"tokens\": [5]}\n{\"id\": \"b\", \"text\": \"to.be!\"}\n");
  std::vector<Json> one;
  for (const int ranks : {1, 3}) {
    if (ranks > LOCKSTEP_TEST_RANKS) break;
    const Outcome run =
        RunLockstep({"score", "--model", Model(), "--input", input, "--output", Path("out.jsonl"),
                     "--restart", "--tp", std::to_string(ranks)});
    ASSERT_EQ(run.exit_code, 0) << run.errors;
    const auto lines = Lines(ReadFile(Path("out.jsonl")));
    ASSERT_EQ(lines.size(), 2u);
    EXPECT_EQ(lines[0], Json::parse(R"({"id":0,"tokens":[5],"logprobs":[null],"top":[null]})"));
    EXPECT_EQ(lines[1]["id"], "b");
    ASSERT_EQ(lines[1]["tokens"].size(), 6u);
    ASSERT_EQ(lines[1]["logprobs"].size(), 6u);
    EXPECT_TRUE(lines[1]["logprobs"][0].is_null());
    EXPECT_TRUE(lines[1]["top"][0].is_null());
    for (std::size_t i = 1; i < 6; ++i) EXPECT_LT(lines[1]["logprobs"][i].get<double>(), 0.0);
    if (ranks == 1) one = lines;
    EXPECT_EQ(lines[1]["top"], one[1]["top"]);
    for (std::size_t i = 1; i < 6; ++i)
      EXPECT_NEAR(lines[1]["logprobs"][i], one.at(1)["logprobs"][i].get<double>(), 1e-3);
  }
}

TEST_F(OnAModel, ScoreOfTokensNeedsNoTokenizer) {
  std::filesystem::remove(std::filesystem::path(Model()) / "tokenizer.json");
  const Outcome run =
      RunLockstep({"score", "--model", Model(), "--input", "-"}, "{\"tokens\": [1, 96]}\n");
  EXPECT_EQ(run.exit_code, 0) << run.errors;
  const Outcome text =
      RunLockstep({"score", "--model", Model(), "--input", "-"}, "{\"text\": \"a\"}\n");
  EXPECT_EQ(text.exit_code, 2);
}

TEST_F(OnAModel, AConfigurationRunsItToo) {
  const std::string config = File("run.yaml", fmt::format("model: {{path: {}}}\n"
                                                          "sampling: {{max_new_tokens: 3}}\n",
                                                          kSavedModel));
  const std::string input = "{\"prompt\": \"A\", \"ignore_eos\": true}\n";
  const Outcome run = RunLockstep({"generate", "--model", config, "--input", "-"}, input);
  ASSERT_EQ(run.exit_code, 0) << run.errors;
  EXPECT_EQ(Lines(run.output).at(0)["tokens"].size(), 3u);
}

TEST_F(OnAModel, BackendsAndDtypesAllWork) {
  for (const char* backend : {"cpu", "reference"})
    for (const char* dtype : {"fp32", "bf16"}) {
      const Outcome run = RunLockstep({"generate", "--model", Model(), "--prompt", "A", "--backend",
                                       backend, "--dtype", dtype, "--max-new-tokens", "2"});
      EXPECT_EQ(run.exit_code, 0) << run.errors;
    }
}

TEST_F(OnAModel, VerboseSaysWhatItDoes) {
  const Outcome run = RunLockstep(
      {"generate", "--model", Model(), "--prompt", "A", "--verbose", "--max-new-tokens", "2"});
  EXPECT_THAT(run.errors, HasSubstr("of weights"));
  EXPECT_THAT(run.errors, HasSubstr("tokens/s"));
}

TEST_F(OnAModel, AWorldOfMpirunIsUsed) {
  if (LOCKSTEP_TEST_RANKS == 1) GTEST_SKIP() << "built without MPI";
  const std::string input = File("in.jsonl", "{\"prompt\": \"ABC\"}\n");
  const std::vector<std::string> command = {"generate", "--model", Model(), "--input", input};
  const Outcome alone = RunLockstep(command);
  const Outcome world = RunUnderMpirun(3, command);
  EXPECT_EQ(world.exit_code, 0) << world.errors;
  EXPECT_EQ(world.output, alone.output);
}

}  // namespace
}  // namespace lockstep
