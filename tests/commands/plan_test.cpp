// `lockstep plan` on every configuration of the repository.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/error.h"
#include "core/files/file.h"
#include "core/json.h"
#include "program.h"
#include "tests/support/expect_narrow.h"
#include "tests/support/test_data.h"

namespace lockstep {
namespace {

struct Model {
  const char* config;
  int heads;
  std::int64_t total;
  std::int64_t non_embedding;
  std::int64_t all_reduces;
};

// From the model cards; APHRA's from the count of GPT-J 6B in transformers.
const Model kModels[] = {
    {"aphra-6b", 16, 6'050'882'784, 5'637'955'584, 29},
    {"pythia-70m", 8, 70'426'624, 18'915'328, 7},
    {"pythia-160m", 12, 162'322'944, 85'056'000, 13},
    {"pythia-410m", 16, 405'334'016, 302'311'424, 25},
    {"pythia-1b", 8, 1'011'781'632, 805'736'448, 17},
    {"pythia-1.4b", 16, 1'414'647'808, 1'208'602'624, 25},
    {"pythia-2.8b", 32, 2'775'208'960, 2'517'652'480, 33},
    {"pythia-6.9b", 32, 6'857'302'016, 6'444'163'072, 33},
    {"pythia-12b", 40, 11'846'072'320, 11'327'027'200, 37},
    {"gpt2", 12, 124'439'808, 85'056'000, 25},
    {"gpt2-medium", 16, 354'823'168, 302'311'424, 49},
    {"gpt2-large", 20, 774'030'080, 708'390'400, 73},
    {"gpt2-xl", 25, 1'557'611'200, 1'475'561'600, 97},
    {"demo-gptj", 6, 1'925'382, 1'528'832, 5},
    {"demo-neox", 6, 1'938'944, 1'533'440, 5},
};

std::string ConfigPath(const std::string& name) {
  return SourceFolder() / "configs" / (name + ".yaml");
}

std::int64_t SumOf(const Json& ranks, const char* field) {
  std::int64_t sum = 0;
  for (const Json& rank : ranks) sum += rank.at(field).get<std::int64_t>();
  return sum;
}

TEST(PlanByName, IsOfAConfigurationThatComesWithTheProgram) {
  const Outcome by_name = RunLockstep({"plan", "pythia-12b", "--tp", "4"});
  EXPECT_EQ(by_name.exit_code, 0) << by_name.errors;
  EXPECT_NE(by_name.output.find("11,846,072,320 parameters"), std::string::npos);
  // Which a model that has to be read is not.
  const Outcome read = RunLockstep({"generate", "pythia-12b", "--prompt", "A"});
  EXPECT_EQ(read.exit_code, 2);
  EXPECT_NE(read.errors.find("give --config pythia-12b"), std::string::npos) << read.errors;
  const Outcome near = RunLockstep({"plan", "pythia-12"});
  EXPECT_EQ(near.exit_code, 2);
  EXPECT_NE(near.errors.find("the nearest configuration is --config pythia-12b\n"),
            std::string::npos)
      << near.errors;
  const Outcome unlike = RunLockstep({"plan", "nothing"});
  EXPECT_EQ(unlike.errors.find("configuration"), std::string::npos) << unlike.errors;
}

class PlanOfConfig : public testing::TestWithParam<Model> {};

TEST_P(PlanOfConfig, CountsExactlyAtEveryRankCount) {
  const Model& model = GetParam();
  for (int ranks = 1; ranks <= model.heads; ++ranks) {
    const Outcome run = RunLockstep(
        {"plan", "--model", ConfigPath(model.config), "--tp", std::to_string(ranks), "--json"});
    ASSERT_EQ(run.exit_code, 0) << run.errors;
    const Json plan = ParseJson(run.output, "plan");
    EXPECT_EQ(plan["parameters"]["total"], model.total) << ranks << " ranks";
    EXPECT_EQ(plan["parameters"]["non_embedding"], model.non_embedding) << ranks << " ranks";
    EXPECT_EQ(plan["all_reduces_per_token"], model.all_reduces);
    ASSERT_EQ(plan["ranks"].size(), static_cast<std::size_t>(ranks));
    EXPECT_EQ(SumOf(plan["ranks"], "unique_parameters"), model.total) << ranks << " ranks";
    EXPECT_EQ(SumOf(plan["ranks"], "heads"), model.heads);
    for (const Json& rank : plan["ranks"])
      for (const char* field : {"heads", "ffn_columns", "vocab_rows", "parameters", "weight_bytes"})
        EXPECT_GT(rank.at(field).get<std::int64_t>(), 0) << field;
  }
}

TEST_P(PlanOfConfig, RefusesMoreRanksThanHeads) {
  const Model& model = GetParam();
  const Outcome run = RunLockstep(
      {"plan", "--model", ConfigPath(model.config), "--tp", std::to_string(model.heads + 1)});
  EXPECT_EQ(run.exit_code, 2);
  EXPECT_EQ(run.output, "");
  EXPECT_THAT(run.errors, testing::HasSubstr(fmt::format("use at most {} ranks", model.heads)));
}

TEST_P(PlanOfConfig, IsPrintedAsATable) {
  const Outcome run = RunLockstep({"plan", "--config", ConfigPath(GetParam().config)});
  EXPECT_EQ(run.exit_code, 0) << run.errors;
  EXPECT_THAT(run.output, testing::HasSubstr("parameters"));
}

TEST_P(PlanOfConfig, FitsIntoEightyColumns) {
  for (const char* ranks : {"1", "3"}) {
    const Outcome run =
        RunLockstep({"plan", ConfigPath(GetParam().config), "--tp", ranks, "--dtype", "bf16"});
    ASSERT_EQ(run.exit_code, 0) << run.errors;
    ExpectNarrow(run.output);
  }
}

INSTANTIATE_TEST_SUITE_P(Plan, PlanOfConfig, testing::ValuesIn(kModels), [](const auto& test) {
  std::string name = test.param.config;
  for (char& c : name)
    if (c == '-' || c == '.') c = '_';
  return name;
});

TEST(Configs, AreAllPlanned) {
  std::set<std::string> names;
  for (const Model& model : kModels) names.insert(std::string(model.config) + ".yaml");
  for (const auto& file : std::filesystem::directory_iterator(SourceFolder() / "configs")) {
    if (!file.is_regular_file()) continue;  // deploy/ has other files
    EXPECT_TRUE(names.contains(file.path().filename())) << file.path();
  }
}

TEST(Configs, ExplainEveryKey) {
  // What a configuration of ours sets is every key there is, with a comment above it.
  const Outcome all = RunLockstep({"plan", "--print-config"});
  for (const Model& model : kModels) {
    std::istringstream lines(ReadFile(ConfigPath(model.config)));
    std::string line, before;
    std::size_t keys = 0;
    while (std::getline(lines, line)) {
      const auto first = line.find_first_not_of(' ');
      const bool is_comment = first != std::string::npos && line[first] == '#';
      const bool is_key = first != std::string::npos && first > 0 && !is_comment;
      if (is_key) {
        ++keys;
        EXPECT_THAT(before, testing::HasSubstr("# ")) << model.config << ": " << line;
      }
      before = line;
    }
    const auto known = std::count(all.output.begin(), all.output.end(), '#');
    EXPECT_EQ(keys, static_cast<std::size_t>(known) + 1) << model.config;  // and "shape:"
  }
}

// Positions are divided like the vocabulary, and only a model that has a table of them shows it.
TEST(Plan, SaysWhoHoldsWhichPositions) {
  const auto slices = [](const char* config) {
    const Outcome run = RunLockstep({"plan", "--model", ConfigPath(config), "--tp", "3", "--json"});
    return ParseJson(run.output, "plan")["ranks"][1]["slices"];
  };
  EXPECT_EQ(slices("gpt2")["positions"], Json({342, 683}));
  EXPECT_FALSE(slices("pythia-70m").contains("positions"));
}

TEST(Plan, ReadsAFolderWithoutWeights) {
  const TemporaryFolder folder;
  std::filesystem::copy(SourceFolder() / "tests/golden/cases/neox_saved_single/config.json",
                        folder.path());
  const Outcome run = RunLockstep({"plan", "--model", folder.path(), "--tp", "5", "--json"});
  ASSERT_EQ(run.exit_code, 0) << run.errors;
  EXPECT_EQ(ParseJson(run.output, "plan")["parameters"]["total"], 97395);
}

TEST(Plan, RefusesAShapeThatContradictsTheCheckpoint) {
  const TemporaryFolder folder;
  std::filesystem::copy(SourceFolder() / "tests/golden/cases/neox_saved_single/config.json",
                        folder.path());
  const Outcome run =
      RunLockstep({"plan", "--model", folder.path(), "--set", "model.shape.layers=4"});
  EXPECT_EQ(run.exit_code, 2);
  EXPECT_EQ(run.errors,
            fmt::format("lockstep: error: {}: the checkpoint has layers = 3, but the "
                        "configuration says model.shape.layers = 4; correct the shape or choose "
                        "the checkpoint it describes\n",
                        folder.path().string()));
}

TEST(Plan, DoesNotFallBackToTheShapeForAModelThatTheUserNames) {
  const Outcome run =
      RunLockstep({"plan", "--config", ConfigPath("pythia-70m"), "--model", "/nowhere"});
  EXPECT_EQ(run.exit_code, 2);
  EXPECT_THAT(run.errors, testing::HasSubstr("/nowhere"));
}

}  // namespace
}  // namespace lockstep
