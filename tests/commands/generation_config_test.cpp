// What a model's generation_config.json says about its texts.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/file.h"
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
  EXPECT_EQ(answer["tokens"], Json({whole[0]}));
  EXPECT_EQ(answer["finish_reason"], "eos");
}

}  // namespace
}  // namespace lockstep
