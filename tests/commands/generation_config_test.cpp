// What a model's generation_config.json says about its texts.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/files/file.h"
#include "core/json.h"
#include "program.h"
#include "tests/support/test_data.h"

namespace lockstep {
namespace {

using Tokens = std::vector<int>;

class AModelsGenerationConfig : public testing::Test {
 protected:
  // The program's answer to one line.
  Json Answer(const Json& line, const std::vector<std::string>& flags = {}) const {
    std::vector<std::string> command = {"generate", "--model", model_, "--input", "-"};
    command.insert(command.end(), flags.begin(), flags.end());
    const Outcome run = RunLockstep(command, DumpJson(line) + "\n");
    EXPECT_EQ(run.exit_code, 0) << run.errors;
    return ParseJson(run.output, "output");
  }
  void Write(const std::string& text) const {
    WriteText(std::filesystem::path(model_) / "generation_config.json", text);
  }

  TemporaryFolder folder_;
  std::string model_ = CopyModel("neox_saved_single", folder_.path(), 90);
  Json line_ = {{"tokens", {32, 33, 34}}, {"max_new_tokens", 12}};
};

TEST_F(AModelsGenerationConfig, EndsTextsAtEachOfItsEndTokens) {
  Write("{}");
  const Tokens whole = Answer(line_)["tokens"];
  ASSERT_EQ(whole.size(), 12u);
  const int end = whole[5];
  const Tokens until(whole.begin(), std::find(whole.begin(), whole.end(), end) + 1);
  for (const Json& list : {Json{end, 9999}, Json{-1, 9999, end, end}}) {
    Write(DumpJson({{"eos_token_id", list}}));
    const Json answer = Answer(line_);
    EXPECT_EQ(answer["tokens"], Json(until)) << list;
    EXPECT_EQ(answer["finish_reason"], "eos");
  }
  Json ignoring = line_;
  ignoring["ignore_eos"] = true;
  EXPECT_EQ(Answer(ignoring)["tokens"], Json(whole));
}

TEST_F(AModelsGenerationConfig, EndsBeamsAtEachOfItsEndTokens) {
  Write("{}");
  line_["num_beams"] = 2;
  const Tokens whole = Answer(line_)["tokens"];
  ASSERT_EQ(whole.size(), 12u);
  line_["length_penalty"] = -10.0;  // so that the shortest text is the best
  Write(DumpJson({{"eos_token_id", {9999, 3, whole[0]}}}));
  const Json answer = Answer(line_);
  EXPECT_EQ(answer["tokens"], Json::array({whole[0]}));
  EXPECT_EQ(answer["finish_reason"], "eos");
}

TEST_F(AModelsGenerationConfig, GivesTheDefaultsOfGenerate) {
  Write("{}");
  const Json flags = Answer(line_, {"--temperature", "0.7", "--top-k", "20", "--min-tokens", "12"});
  Write(R"({"do_sample": true, "temperature": 0.7, "top_k": 20, "min_new_tokens": 12})");
  EXPECT_EQ(Answer(line_), flags);
  // Flags, --set and the line say otherwise.
  const Json greedy = Answer(line_, {"--temperature", "0", "--min-tokens", "0"});
  EXPECT_NE(greedy["tokens"], flags["tokens"]);
  EXPECT_EQ(Answer(line_, {"--generation-config", "none"}), greedy);
  EXPECT_EQ(Answer(line_, {"--set", "sampling.temperature=0"})["tokens"], greedy["tokens"]);
  line_["temperature"] = 0;
  line_["min_tokens"] = 0;
  EXPECT_EQ(Answer(line_), greedy);
}

TEST_F(AModelsGenerationConfig, StaysGreedyWithoutDoSample) {
  Write("{}");
  const Json greedy = Answer(line_);
  Write(R"({"temperature": 0.7, "top_k": 20, "do_sample": false})");
  EXPECT_EQ(Answer(line_), greedy);
}

TEST_F(AModelsGenerationConfig, IsSaidOnceWithWhatIsNotSupported) {
  Write(R"({"max_new_tokens": 3, "no_repeat_ngram_size": 2, "typical_p": 0.5})");
  for (const char* ranks : {"1", "2"}) {
    if (std::stoi(ranks) > LOCKSTEP_TEST_RANKS) break;
    for (const bool prompt : {false, true}) {
      std::vector<std::string> command = {"generate", "--model", model_, "--tp", ranks};
      const std::vector<std::string> text = {prompt ? "--prompt" : "--input", prompt ? "ABC" : "-"};
      command.insert(command.end(), text.begin(), text.end());
      const Outcome run = RunLockstep(command, "{\"prompt\": \"ABC\"}\n");
      ASSERT_EQ(run.exit_code, 0) << run.errors;
      const std::string file = model_ + "/generation_config.json: ";
      const std::string said =
          "lockstep: " + file +
          "max_new_tokens 3 where nothing else is said (--generation-config none: without)\n"
          "lockstep: warning: " +
          file +
          "not supported and without effect: typical_p, no_repeat_ngram_size "
          "(--generation-config none leaves all out)\n";
      ASSERT_THAT(run.errors, testing::StartsWith(said));
      // And what a job ends with.
      const char* totals = "lockstep: 1 of 1 lines: 3 tokens in [0-9.]+ s, [0-9]+ tokens/s\n";
      EXPECT_THAT(run.errors.substr(said.size()), testing::MatchesRegex(prompt ? "" : totals));
    }
  }
}

TEST_F(AModelsGenerationConfig, IsRefusedWhereAValueIsBad) {
  Write(R"({"top_p": 7})");
  const Outcome run = RunLockstep({"generate", "--model", model_, "--prompt", "ABC"});
  EXPECT_EQ(run.exit_code, 2);
  EXPECT_EQ(run.output, "");
  EXPECT_THAT(run.errors,
              testing::HasSubstr("generation_config.json: \"top_p\" is 7; expected a number"));
  EXPECT_EQ(
      RunLockstep({"score", "--model", model_, "--input", "-"}, "{\"tokens\": [1]}\n").exit_code,
      0);
}

TEST_F(AModelsGenerationConfig, IsPartOfWhatAJobIs) {
  const std::string output = folder_ / "out.jsonl";
  const std::string input = folder_ / "in.jsonl";
  WriteText(input, "{\"prompt\": \"A\"}\n{\"prompt\": \"B\"}\n");
  const auto job = [&](const std::string& choice) {
    return RunLockstep({"generate", "--model", model_, "--input", input, "--output", output,
                        "--generation-config", choice, "--max-new-tokens", "8"});
  };
  Write(R"({"do_sample": true, "temperature": 9.0})");
  ASSERT_EQ(job("none").exit_code, 0);
  const std::string without = ReadFile(output);
  std::filesystem::remove_all(output);
  ASSERT_EQ(job("auto").exit_code, 0);
  EXPECT_NE(ReadFile(output), without);
}

}  // namespace
}  // namespace lockstep
