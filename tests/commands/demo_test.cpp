// The bundled models as transformers has them continue and score texts: text in, text out, the
// same on every number of ranks.
#include <gtest/gtest.h>

#include <cmath>
#include <sstream>

#include "core/files/file.h"
#include "core/json.h"
#include "tests/commands/program.h"
#include "tests/support/test_data.h"

namespace lockstep {
namespace {

struct Demo {
  std::string model;
  int ranks;
};

class DemoModel : public testing::TestWithParam<Demo> {
 protected:
  std::vector<Json> Run(const std::string& command, const std::string& lines) const {
    const Outcome run = RunLockstep({command, "--model", golden_.at("model_path"), "--tp",
                                     std::to_string(GetParam().ranks), "--input", "-"},
                                    lines);
    EXPECT_EQ(run.exit_code, 0) << run.errors;
    std::vector<Json> results;
    std::istringstream stream(run.output);
    for (std::string line; std::getline(stream, line);)
      results.push_back(ParseJson(line, "output"));
    return results;
  }

  static Json Load(const std::string& model) {
    const auto path = SourceFolder() / "tests/golden/demo" / (model + ".json");
    Json golden = ParseJson(ReadFile(path), path.string());
    golden["model_path"] = (SourceFolder() / golden.at("model").get<std::string>()).string();
    return golden;
  }

  const Json golden_ = Load(GetParam().model);
};

TEST_P(DemoModel, ContinuesAsTransformersDoes) {
  std::string lines;
  for (const Json& prompt : golden_.at("prompts"))
    lines += DumpJson({{"prompt", prompt.at("prompt")},
                       {"max_new_tokens", prompt.at("greedy").size()},
                       {"ignore_eos", true}}) +
             "\n";
  const std::vector<Json> results = Run("generate", lines);
  ASSERT_EQ(results.size(), golden_.at("prompts").size());
  for (std::size_t i = 0; i < results.size(); ++i) {
    EXPECT_EQ(results[i].at("tokens"), golden_.at("prompts")[i].at("greedy"));
    EXPECT_EQ(results[i].at("text"), golden_.at("prompts")[i].at("text"));
  }
}

TEST_P(DemoModel, ScoresAsTransformersDoes) {
  const Json& expected = golden_.at("score");
  const std::vector<Json> results = Run("score", DumpJson({{"text", expected.at("text")}}) + "\n");
  ASSERT_EQ(results.size(), 1u);
  EXPECT_EQ(results[0].at("tokens"), expected.at("tokens"));
  const Json& logprobs = results[0].at("logprobs");
  ASSERT_EQ(logprobs.size(), expected.at("logprobs").size());
  EXPECT_TRUE(logprobs[0].is_null());
  for (std::size_t i = 1; i < logprobs.size(); ++i)
    EXPECT_NEAR(logprobs[i].get<double>(), expected.at("logprobs")[i].get<double>(), 1e-4);
  EXPECT_EQ(results[0].at("top"), expected.at("top"));
}

INSTANTIATE_TEST_SUITE_P(OnRanks, DemoModel,
                         testing::ValuesIn(LOCKSTEP_TEST_RANKS > 1
                                               ? std::vector<Demo>{{"shakespeare-gptj", 1},
                                                                   {"shakespeare-gptj", 2},
                                                                   {"shakespeare-gptj", 3},
                                                                   {"shakespeare-gptj", 5},
                                                                   {"shakespeare-neox", 1},
                                                                   {"shakespeare-neox", 2},
                                                                   {"shakespeare-neox", 3},
                                                                   {"shakespeare-neox", 5}}
                                               : std::vector<Demo>{{"shakespeare-gptj", 1},
                                                                   {"shakespeare-neox", 1}}),
                         [](const auto& one) {
                           return one.param.model.substr(12) + "_" +
                                  std::to_string(one.param.ranks);
                         });

}  // namespace
}  // namespace lockstep
