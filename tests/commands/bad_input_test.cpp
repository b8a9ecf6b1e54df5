// What goes wrong is said in one line, with the exit code of the contract, before ranks start.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/error.h"
#include "core/files/file.h"
#include "core/json.h"
#include "program.h"
#include "tests/support/test_data.h"

namespace lockstep {
namespace {

using testing::HasSubstr;

class BadInputOnAModel : public testing::TestWithParam<int> {
 protected:
  // Runs a command on the model with as many ranks as the parameter says.
  Outcome Run(std::vector<std::string> arguments, const std::string& input = "") const {
    arguments.insert(arguments.end(),
                     {"--model", model_.string(), "--tp", std::to_string(GetParam())});
    return RunLockstep(arguments, input);
  }
  Outcome Generate(const std::string& lines) const {
    WriteText(folder_ / "in.jsonl", lines);
    std::filesystem::remove(folder_ / "out.jsonl");
    return Run({"generate", "--input", folder_ / "in.jsonl", "--output", folder_ / "out.jsonl"});
  }
  std::string Path(const std::string& name) const { return folder_ / name; }
  std::filesystem::path ModelFile(const std::string& name) const { return model_ / name; }

  // One error; a job that has run says its totals before it.
  static void ExpectOneLine(const Outcome& run, int code, const std::string& message) {
    EXPECT_EQ(run.exit_code, code) << run.errors;
    EXPECT_EQ(run.output, "");
    const bool has_run = !run.errors.starts_with("lockstep: error: ");
    const std::size_t begin = has_run ? run.errors.find('\n') + 1 : 0;
    const std::string totals = run.errors.substr(0, begin), error = run.errors.substr(begin);
    EXPECT_THAT(totals, testing::MatchesRegex("(lockstep: [0-9]+ of .*failed: .* tokens in .*)?"));
    EXPECT_THAT(error, testing::StartsWith("lockstep: error: "));
    EXPECT_THAT(error, HasSubstr(message));
    EXPECT_EQ(std::count(error.begin(), error.end(), '\n'), 1) << error;
  }

 private:
  TemporaryFolder folder_;
  std::filesystem::path model_ = CopyModel("gptj_saved_single", folder_.path(), 90);
};

TEST_P(BadInputOnAModel, UnreadableLines) {
  ExpectOneLine(Generate("{\"prompt\": \"a\"}\n{\"prompt\": \n"), 2,
                "1 of 2 lines could not be used: see \"error\" in their records; the first: " +
                    Path("in.jsonl") + ":2: not valid JSON");
  const std::string records = ReadFile(Path("out.jsonl"));
  EXPECT_EQ(std::count(records.begin(), records.end(), '\n'), 2);
  EXPECT_THAT(records, HasSubstr("{\"id\":1,\"error\":\"" + Path("in.jsonl") + ":2: not valid"));
  ExpectOneLine(Generate("{\"promt\": \"a\"}\n"), 2,
                Path("in.jsonl") +
                    ":1: unknown field \"promt\"; the nearest known one is "
                    "\"prompt\"");
  EXPECT_FALSE(std::filesystem::exists(Path("out.jsonl.partial")));
  EXPECT_FALSE(std::filesystem::exists(Path("out.jsonl.journal")));
  ExpectOneLine(Generate(" \n"), 2, Path("in.jsonl") + ": holds no lines");
}

TEST_P(BadInputOnAModel, LinesOfStandardInput) {
  Outcome run = Run({"score", "--input", "-"}, "{\"tokens\": [1]}\n[]\n");
  EXPECT_THAT(run.output, HasSubstr("\n{\"id\":1,\"error\":\"standard input:2: found []"));
  run.output.clear();
  ExpectOneLine(run, 2, "standard input:2: found []; expected an object");
}

TEST(RandomWeights, NeedATokenizerOfTheirOwnToGenerate) {
  const Outcome run =
      RunLockstep({"generate", "--model", (SourceFolder() / "configs/pythia-70m.yaml").string(),
                   "--random-weights", "--tp", "1", "--prompt", "a"});
  EXPECT_EQ(run.exit_code, 2);
  EXPECT_THAT(run.errors, HasSubstr("model.tokenizer is not set, and random weights have no"));
}

TEST_P(BadInputOnAModel, APromptLongerThanTheContext) {
  ExpectOneLine(Run({"generate", "--prompt", std::string(64, 'a')}), 2,
                "--prompt: the prompt has 64 tokens; the model's context holds 64");
  ExpectOneLine(Generate("{\"prompt\": \"" + std::string(64, 'a') + "\"}"), 2,
                Path("in.jsonl") + ":1: the prompt has 64 tokens");
}

TEST_P(BadInputOnAModel, AnEmptyPrompt) {
  ExpectOneLine(Run({"generate", "--prompt", ""}), 2, "--prompt: is empty");
}

TEST_P(BadInputOnAModel, ATokenizerThatDoesNotFit) {
  const auto other = CopyModel("neox_saved_single", Path(""), 94);
  Json config = Json::parse(ReadFile(ModelFile("config.json")));
  config["vocab_size"] = 93;
  WriteText(ModelFile("config.json"), config.dump());
  ExpectOneLine(Run({"generate", "--prompt", "a", "--tokenizer", other}), 2,
                "the tokenizer has 94 ids, but the model in " +
                    ModelFile("").parent_path().string() + " has 93 vocabulary rows");
}

TEST_P(BadInputOnAModel, AMissingTokenizer) {
  std::filesystem::remove(ModelFile("tokenizer.json"));
  const Outcome run = Run({"generate", "--prompt", "a"});
  ExpectOneLine(run, 2, "tokenizer.json");
}

TEST_P(BadInputOnAModel, AnUnknownArchitecture) {
  WriteText(ModelFile("config.json"), "{\"model_type\": \"llama\"}");
  ExpectOneLine(Run({"generate", "--prompt", "a"}), 2, "model_type \"llama\" is not supported");
}

TEST_P(BadInputOnAModel, MissingWeights) {
  std::filesystem::remove(ModelFile("model.safetensors"));
  const Outcome run = Run({"generate", "--prompt", "a"});
  EXPECT_EQ(run.exit_code, 2);
  EXPECT_EQ(std::count(run.errors.begin(), run.errors.end(), '\n'), 1) << run.errors;
}

TEST_P(BadInputOnAModel, AnOutputThatCannotBeWritten) {
  WriteText(Path("in.jsonl"), "{\"tokens\": [1]}\n");
  ExpectOneLine(Run({"score", "--input", Path("in.jsonl"), "--output", Path("no/out.jsonl")}), 3,
                "no/out.jsonl.journal: cannot be written");
}

TEST_P(BadInputOnAModel, AnInputThatIsMissing) {
  ExpectOneLine(Run({"score", "--input", Path("none.jsonl")}), 2,
                Path("none.jsonl") + ": no such file");
}

INSTANTIATE_TEST_SUITE_P(OnRanks, BadInputOnAModel,
                         testing::ValuesIn(LOCKSTEP_TEST_RANKS > 1 ? std::vector<int>{1, 3}
                                                                   : std::vector<int>{1}),
                         testing::PrintToStringParamName());

TEST(BadInput, MoreRanksThanHeadsStartsNone) {
  const TemporaryFolder folder;
  const auto model = CopyModel("gptj_saved_single", folder.path(), 90);
  const Outcome run = RunLockstep({"generate", "--model", model, "--tp", "6", "--prompt", "a"});
  EXPECT_EQ(run.exit_code, 2);
  EXPECT_EQ(run.errors,
            "lockstep: error: shard plan: 5 heads over 6 ranks leaves 1 rank empty; use at most "
            "5 ranks\n");
}

TEST(BadInput, IsSaidOnceInAWorldOfMpirun) {
  if (LOCKSTEP_TEST_RANKS == 1) GTEST_SKIP() << "built without MPI";
  const Outcome run = RunUnderMpirun(3, {"generate", "--modl", "x"});
  EXPECT_EQ(run.exit_code, 2);
  EXPECT_EQ(run.errors,
            "lockstep: error: unknown flag \"--modl\" of generate; the nearest known one is "
            "--model; see lockstep generate --help\n");
}

TEST(BadInput, UnknownKeysInYamlNameTheNearest) {
  const TemporaryFolder folder;
  WriteText(folder / "run.yaml", "model:\n  path: a\nsampling:\n  temprature: 1\n");
  const Outcome run = RunLockstep({"plan", "--config", folder / "run.yaml"});
  EXPECT_EQ(run.exit_code, 2);
  EXPECT_EQ(run.errors, fmt::format("lockstep: error: {}:4:3: unknown key "
                                    "\"sampling.temprature\"; the nearest known key is "
                                    "\"sampling.temperature\"\n",
                                    (folder / "run.yaml").string()));
}

TEST(BadInput, AModelThatIsNowhere) {
  const Outcome run = RunLockstep({"generate", "--model", "org/none", "--prompt", "a"});
  EXPECT_EQ(run.exit_code, 2);
  EXPECT_THAT(run.errors, HasSubstr("org/none"));
}

TEST(Help, GoesToStandardOutputAndEndsWell) {
  for (const std::vector<std::string>& words :
       {std::vector<std::string>{"--help"}, {"generate", "--help"}, {"--version"}}) {
    const Outcome run = RunLockstep(words);
    EXPECT_EQ(run.exit_code, 0);
    EXPECT_NE(run.output, "");
    EXPECT_EQ(run.errors, "");
  }
}

}  // namespace
}  // namespace lockstep
