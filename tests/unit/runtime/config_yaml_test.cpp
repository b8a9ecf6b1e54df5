#include "runtime/options/yaml/config_yaml.h"

#include <gmock/gmock.h>

#include "tests/support/message_of.h"
#include "tests/support/test_data.h"

namespace lockstep {
namespace {

using testing::HasSubstr;

Options Read(const std::string& text) {
  Options options;
  ApplyYaml(options, text, "run.yaml");
  return options;
}

std::string YamlError(const std::string& text) {
  return MessageOf([&] { Read(text); });
}

TEST(ApplyYaml, SetsWhatItSaysAndLeavesTheRest) {
  const Options options = Read(
      "model:\n"
      "  path: org/name@v1   # a comment\n"
      "  dtype: bf16\n"
      "  shape: {family: gpt_neox, layers: 6, rotary_base: 1e4, parallel_residual: false}\n"
      "parallel:\n"
      "  tp: 3\n"
      "sampling:\n"
      "  stop: [\"\\n\\n\", 'END']\n"
      "  temperature: 0.7\n");
  EXPECT_EQ(options.model.path, "org/name@v1");
  EXPECT_EQ(options.model.dtype, WeightFormat::kBF16);
  EXPECT_EQ(options.model.shape.family, Family::kGptNeoX);
  EXPECT_EQ(options.model.shape.layers, 6);
  EXPECT_EQ(options.model.shape.rotary_base, 1e4);
  EXPECT_EQ(options.model.shape.parallel_residual, false);
  EXPECT_EQ(options.model.shape.heads, std::nullopt);
  EXPECT_EQ(options.parallel.tp, 3);
  EXPECT_THAT(options.sampling.stop, testing::ElementsAre("\n\n", "END"));
  EXPECT_EQ(options.sampling.params.temperature, 0.7);
  EXPECT_EQ(options.sampling.params.max_new_tokens, 128);
  EXPECT_EQ(options.engine.backend, BackendKind::kCpu);
}

TEST(ApplyYaml, TakesAnEmptyDocumentAndEmptySectionsAsNothingSaid) {
  EXPECT_EQ(Read("").parallel.tp, std::nullopt);
  EXPECT_EQ(Read("# only a comment\n").parallel.tp, std::nullopt);
  EXPECT_EQ(Read("sampling:\n  # top_k: 3\nparallel: {tp: 2}\n").parallel.tp, 2);
}

TEST(ApplyYaml, TakesNullAsUnsetWhereThatHasAMeaning) {
  EXPECT_EQ(Read("model: {shape: {d_ff: null}}").model.shape.d_ff, std::nullopt);
  EXPECT_EQ(YamlError("engine: {max_sequences: null}"),
            "run.yaml:1:25: engine.max_sequences is empty; expected an integer from 1 to 65536");
}

TEST(ApplyYaml, TakesOneTextForAListOfThem) {
  EXPECT_THAT(Read("sampling: {stop: END}").sampling.stop, testing::ElementsAre("END"));
}

struct BadYaml {
  const char* name;
  const char* text;
  const char* message;
};

class RefusedYaml : public testing::TestWithParam<BadYaml> {};

TEST_P(RefusedYaml, SaysWhereAndWhy) { EXPECT_EQ(YamlError(GetParam().text), GetParam().message); }

INSTANTIATE_TEST_SUITE_P(
    ApplyYaml, RefusedYaml,
    testing::Values(
        BadYaml{"UnknownKey", "sampling:\n  max_new_token: 5\n",
                "run.yaml:2:3: unknown key \"sampling.max_new_token\"; the nearest known key is "
                "\"sampling.max_new_tokens\""},
        BadYaml{"UnknownSection", "# line\nsamplin:\n  top_k: 5\n",
                "run.yaml:2:1: unknown key \"samplin\"; the nearest known key is \"sampling\""},
        BadYaml{"KeyOutsideItsSection", "top_k: 5\n",
                "run.yaml:1:1: unknown key \"top_k\"; the nearest known key is "
                "\"sampling.top_k\""},
        BadYaml{"UnknownShapeKey", "model:\n  shape:\n    n_layers: 5\n",
                "run.yaml:3:5: unknown key \"model.shape.n_layers\"; the nearest known key is "
                "\"model.shape.layers\""},
        BadYaml{"TextForAnInteger", "parallel:\n  tp: two\n",
                "run.yaml:2:7: parallel.tp is \"two\"; expected an integer from 1 to 65536"},
        BadYaml{"QuotedInteger", "parallel: {tp: \"2\"}",
                "run.yaml:1:16: parallel.tp is \"2\"; expected an integer from 1 to 65536"},
        BadYaml{"OutOfRange", "parallel: {tp: 0}",
                "run.yaml:1:16: parallel.tp is \"0\"; expected an integer from 1 to 65536"},
        BadYaml{"YesForTrue", "sampling: {ignore_eos: yes}",
                "run.yaml:1:24: sampling.ignore_eos is \"yes\"; expected true or false"},
        BadYaml{"ListForText", "model: {path: [a, b]}",
                "run.yaml:1:15: model.path is a list of 2; expected text"},
        BadYaml{"MapForAValue", "parallel: {tp: {a: 1}}",
                "run.yaml:1:16: parallel.tp is a map; expected an integer from 1 to 65536"},
        BadYaml{"MapInAList", "sampling: {stop: [{a: b}]}",
                "run.yaml:1:18: sampling.stop holds a map; expected a list of single values"},
        BadYaml{"ValueForASection", "model: pythia",
                "run.yaml:1:8: model is a single value; expected a section with keys of its own"},
        BadYaml{"DuplicateKey", "parallel:\n  tp: 1\n  tp: 2\n",
                "run.yaml:3:3: parallel.tp is given twice; keep one"},
        BadYaml{"DuplicateSection", "parallel: {tp: 1}\nparallel: {threads: 2}\n",
                "run.yaml:2:1: parallel is given twice; keep one"},
        BadYaml{"ListAtTheTop", "- a\n- b\n",
                "run.yaml:1:1: is a list; expected sections such as \"model:\""},
        BadYaml{"ListAsKey", "[a]: 1\n", "run.yaml:1:1: a key is a list; expected a name"},
        BadYaml{"Alias", "model: &m {path: a}\nsampling: *m\n",
                "run.yaml:2:11: aliases (*name) are not supported; write the value out"},
        BadYaml{"Tag", "model: {path: !!binary aGk=}\n",
                "run.yaml:1:15: tags (!name) are not supported; leave it out"},
        BadYaml{"TwoDocuments", "model: {}\n---\nmodel: {}\n",
                "run.yaml: holds several documents (---); expected one"},
        BadYaml{"TooDeep", "model: [[[[[[[[[[a]]]]]]]]]]\n",
                "run.yaml:1:15: nested deeper than 8 levels"}),
    [](const auto& test) { return std::string(test.param.name); });

TEST(ApplyYaml, NamesThePlaceWhereYamlEnds) {
  EXPECT_THAT(YamlError("sampling: {stop: [a, b"), HasSubstr("not valid YAML"));
  EXPECT_THAT(YamlError("model:\n\tpath: a\n"), testing::StartsWith("run.yaml:2:"));
  EXPECT_THAT(YamlError("a: b: c\n"), testing::StartsWith("run.yaml:1:"));
}

TEST(ApplyYaml, RefusesZeroBytesAndEndlessText) {
  EXPECT_EQ(YamlError(std::string("model:\0", 7)),
            "run.yaml: holds a zero byte; expected YAML text");
  EXPECT_EQ(YamlError(std::string(300'000, '#')),
            "run.yaml: 300000 bytes long; a configuration has at most 262144");
}

TEST(ApplyYaml, AnswersAThousandAliasesOfAliasesAtOnce) {
  std::string bomb = "a0: &a0 [x, x]\n";
  for (int i = 1; i < 1000; ++i)
    bomb += fmt::format("a{}: &a{} [*a{}, *a{}]\n", i, i, i - 1, i - 1);
  EXPECT_THAT(YamlError(bomb), HasSubstr("aliases"));
}

TEST(ApplyConfigFile, FindsARelativeModelBesideTheFile) {
  const TemporaryFolder folder;
  std::filesystem::create_directories(folder / "configs");
  std::filesystem::create_directories(folder / "models/tiny");
  WriteText(folder / "configs/run.yaml",
            "model: {path: ../models/tiny, tokenizer: ../models/none}\n");
  Options options;
  ApplyConfigFile(options, folder / "configs/run.yaml");
  EXPECT_EQ(options.model.path, (folder / "models/tiny").string());
  EXPECT_EQ(options.model.tokenizer, "../models/none") << "what is nowhere stays as it was written";
}

TEST(ApplyConfigFile, NamesAFileThatIsMissing) {
  EXPECT_EQ(MessageOf([] {
              Options options;
              ApplyConfigFile(options, "/nowhere/run.yaml");
            }),
            "/nowhere/run.yaml: no such file");
}

TEST(ShippedConfigurations, LeaveTheRanksAndTheModelsDefaultsOpen) {
  int count = 0;
  for (const auto& entry : std::filesystem::directory_iterator(SourceFolder() / "configs")) {
    if (entry.path().extension() != ".yaml") continue;
    Options options;
    ApplyConfigFile(options, entry.path());
    EXPECT_EQ(options.parallel.tp, std::nullopt) << entry.path();
    const bool demo = entry.path().filename().string().starts_with("demo-");
    EXPECT_EQ(options.stated.contains("sampling.temperature"), demo) << entry.path();
    for (const OptionKey& key : OptionTable())
      EXPECT_TRUE(key.nullable || options.stated.contains(key.path))
          << entry.path() << " does not explain " << key.path;
    ++count;
  }
  EXPECT_EQ(count, 15);
}

}  // namespace
}  // namespace lockstep
