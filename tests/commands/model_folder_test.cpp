// Folders that are not, or not only, a whole model for texts.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <fmt/format.h>

#include <cmath>

#include "core/files/file.h"
#include "core/json.h"
#include "program.h"
#include "tests/support/test_data.h"

namespace lockstep {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::HasSubstr;

fs::path Golden(const std::string& name) {
  return SourceFolder() / "tests/golden/checkpoints" / name;
}

constexpr const char* kTokens = R"({"tokens": [5, 9, 20, 3, 7, 8, 2, 21]})";

class ModelOfAnotherKind : public testing::TestWithParam<int> {
 protected:
  static Outcome Run(std::vector<std::string> arguments, const fs::path& model,
                     const std::string& input = kTokens) {
    arguments.insert(arguments.end(), {"--model", model.string(), "--tp",
                                       std::to_string(GetParam()), "--threads", "1"});
    return RunLockstep(arguments, input);
  }
  static void ExpectRefusal(const Outcome& run, int code, const std::string& message) {
    EXPECT_EQ(run.exit_code, code) << run.errors;
    EXPECT_EQ(run.output, "");
    EXPECT_THAT(run.errors, HasSubstr(message));
    EXPECT_EQ(std::count(run.errors.begin(), run.errors.end(), '\n'), 1) << run.errors;
  }
};

TEST_P(ModelOfAnotherKind, GivesVectorsWithoutAnLmHead) {
  for (const char* name : {"gptj_model", "neox_classifier"}) {
    const Outcome run = Run({"embed", "--input", "-", "--pooling", "last"}, Golden(name));
    ASSERT_EQ(run.exit_code, 0) << run.errors;
    const Json golden = ParseJson(ReadFile(Golden(name) / "expected.json"), name);
    const auto found = ParseJson(run.output, "output").at("embedding").get<std::vector<double>>();
    const auto expected = golden["hidden"].back().get<std::vector<double>>();
    ASSERT_EQ(found.size(), expected.size());
    for (std::size_t i = 0; i < found.size(); ++i) EXPECT_NEAR(found[i], expected[i], 2e-6);
  }
}

TEST_P(ModelOfAnotherKind, SaysThatItHasNoLmHead) {
  ExpectRefusal(
      Run({"score", "--input", "-"}, Golden("gptj_model")), 2,
      "model.safetensors: the checkpoint has no LM head: the tensor \"lm_head.weight\" is "
      "missing among 13");
  ExpectRefusal(Run({"score", "--input", "-"}, Golden("neox_classifier")), 2,
                "take a checkpoint of GPTNeoXForCausalLM");
}

TEST_P(ModelOfAnotherKind, WarnsOnceOfAHeadThatIsNotTheEmbedding) {
  const Outcome run = Run({"score", "--input", "-", "--quiet"}, Golden("tied_with_another_head"));
  EXPECT_EQ(run.exit_code, 0) << run.errors;
  const Outcome loud = Run({"score", "--input", "-"}, Golden("tied_with_another_head"));
  EXPECT_EQ(loud.output, run.output);
  EXPECT_THAT(loud.errors, HasSubstr("warning: "));
  EXPECT_EQ(loud.errors.find("ties the LM head"), loud.errors.rfind("ties the LM head"));
  EXPECT_THAT(Run({"score", "--input", "-"}, Golden("tied_without_a_head")).errors,
              testing::Not(HasSubstr("warning")));
}

TEST_P(ModelOfAnotherKind, WarnsOfLayersThatTheConfigurationLeavesOut) {
  const TemporaryFolder folder;
  const fs::path model = folder / "model";
  fs::copy(SourceFolder() / "models/shakespeare-neox", model);
  Json config = ParseJson(ReadFile(model / "config.json"), "config.json");
  const auto layers = config["num_hidden_layers"].get<int>();
  const std::vector<std::string> score = {"score", "--input", "-"};
  EXPECT_THAT(Run(score, model).errors, testing::Not(HasSubstr("warning")));
  config["num_hidden_layers"] = layers - 1;
  WriteText(model / "config.json", DumpJson(config));
  const Outcome run = Run(score, model);
  EXPECT_EQ(run.exit_code, 0) << run.errors;
  EXPECT_THAT(run.errors,
              HasSubstr(fmt::format("has the weights of {} layers, but config.json says {}", layers,
                                    layers - 1)));
}

TEST_P(ModelOfAnotherKind, IsRefusedWithItsCause) {
  const TemporaryFolder folder;
  const fs::path model = folder / "model";
  fs::copy(Golden("neox_fp64"), model);
  Json config = ParseJson(ReadFile(model / "config.json"), "config.json");
  const std::vector<std::string> score = {"score", "--input", "-"};
  config["quantization_config"] = {{"quant_method", "gptq"}, {"bits", 4}};
  WriteText(model / "config.json", DumpJson(config));
  ExpectRefusal(Run(score, model), 2,
                "config.json: \"quantization_config\" names \"gptq\": the model is meant to be "
                "quantised");
  WriteText(model / "adapter_config.json",
            R"({"peft_type": "LORA", "base_model_name_or_path": "EleutherAI/pythia-70m"})");
  ExpectRefusal(Run(score, model), 2,
                "adapter_config.json: the folder holds an adapter (LoRA or the like) for the base "
                "model \"EleutherAI/pythia-70m\"");
  for (const char* file : {"config.json", "model.safetensors"}) fs::remove(model / file);
  WriteText(model / "adapter_model.safetensors", "x");
  ExpectRefusal(Run(score, model), 2, "merge_and_unload()");
  fs::remove(model / "adapter_config.json");
  ExpectRefusal(Run(score, model), 2, "adapter_model.safetensors: the folder holds an adapter");
}

// Neither waited for nor read without end.
TEST_P(ModelOfAnotherKind, IsRefusedWhereAFileIsAPipeASocketOrADevice) {
  for (const char* file : {"config.json", "model.safetensors", "generation_config.json"}) {
    const TemporaryFolder folder;
    const fs::path model = folder / "model";
    fs::copy(Golden("neox_fp64"), model);
    fs::remove(model / file);
    const std::vector<std::string> score = {"score", "--input", "-"};
    ASSERT_EQ(::mkfifo((model / file).c_str(), 0600), 0);
    ExpectRefusal(Run(score, model), 2,
                  (model / file).string() + ": is a pipe (FIFO); expected a file");
    fs::remove(model / file);
    fs::create_symlink("/dev/zero", model / file);
    ExpectRefusal(Run(score, model), 2, (model / file).string() + ": is a device; expected");
    fs::remove(model / file);
    fs::create_directory(model / file);
    ExpectRefusal(Run(score, model), 2, (model / file).string() + ": is a folder; expected");
  }
}

INSTANTIATE_TEST_SUITE_P(OnRanks, ModelOfAnotherKind, testing::Values(1, 2),
                         [](const auto& test) { return "n" + std::to_string(test.param); });

}  // namespace
}  // namespace lockstep
