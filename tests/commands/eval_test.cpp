// `lockstep eval` beside what lm-evaluation-harness finds with its Hugging Face backend in the same
// documents (tests/golden/evaluation/harness.py goldens): made-up ones with all that is awkward.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

#include "core/error.h"
#include "core/files/file.h"
#include "core/json.h"
#include "program.h"
#include "tests/support/test_data.h"

namespace lockstep {
namespace {

using testing::HasSubstr;

constexpr const char* kTasks = "lambada_openai,piqa,winogrande,arc_easy,sciq";

std::filesystem::path Golden() { return SourceFolder() / "tests/golden/evaluation"; }
std::string Model(const std::string& name) { return SourceFolder() / "models" / name; }

const Json& Goldens(const std::string& model) {
  static const Json goldens = ParseJson(ReadFile(Golden() / "goldens.json"), "goldens.json");
  return goldens.at(model);
}

std::vector<Json> Lines(const std::string& text) {
  std::vector<Json> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(ParseJson(line, "samples"));
  return lines;
}

class EvalTest : public testing::Test {
 protected:
  std::string Path(const std::string& name) const { return folder_ / name; }
  bool Exists(const std::string& name) const { return FileExists(Path(name)); }

  std::vector<std::string> Command(const std::string& model,
                                   const std::vector<std::string>& more = {}) const {
    std::vector<std::string> command = {"eval",
                                        "--model",
                                        Model(model),
                                        "--tasks",
                                        kTasks,
                                        "--data",
                                        Golden() / "data",
                                        "--output",
                                        Path("results.json"),
                                        "--samples",
                                        Path("samples.jsonl"),
                                        "--threads",
                                        "1"};
    command.insert(command.end(), more.begin(), more.end());
    return command;
  }

  Json Results() const { return ParseJson(ReadFile(Path("results.json")), "results.json"); }

  void ExpectMetrics(const Json& found, const Json& expected) const {
    for (const auto& [name, value] : expected.items()) {
      if (name == "alias") continue;
      ASSERT_TRUE(found.contains(name)) << name;
      const bool exact =
          !value.is_number_float() || (name.starts_with("acc") && name.find("stderr") == name.npos);
      if (exact)
        EXPECT_EQ(found[name], value) << name;
      else
        EXPECT_NEAR(found[name].get<double>(), value.get<double>(), 1e-5 * value.get<double>())
            << name;
    }
  }

  void ExpectDocument(const Json& found, const Json& expected) const {
    for (const char* hash : {"doc_hash", "prompt_hash", "target_hash"})
      EXPECT_EQ(found[hash], expected[hash]) << hash;
    const Json& answers = expected["answers"];
    ASSERT_EQ(found["filtered_resps"].size(), answers.size());
    for (std::size_t i = 0; i < answers.size(); ++i) {
      const double theirs = answers[i][0];
      const double ours = std::stod(found["filtered_resps"][i][0].get<std::string>());
      EXPECT_NEAR(ours, theirs, 1e-4 * std::max(1.0, std::abs(theirs)));
      EXPECT_EQ(found["filtered_resps"][i][1] == "True", answers[i][1].get<bool>());
    }
  }

  void ExpectGoldens(const std::string& model, const std::string& kind) const {
    const Json& expected = Goldens(model).at(kind);
    const Json results = Results()["results"];
    const std::vector<Json> samples = Lines(ReadFile(Path("samples.jsonl")));
    EXPECT_EQ(results.size(), expected.size());
    for (const auto& [task, golden] : expected.items()) {
      SCOPED_TRACE(task);
      ExpectMetrics(results.at(task), golden["metrics"]);
      std::size_t count = 0;
      for (const Json& sample : samples)
        if (sample["task"] == task) ExpectDocument(sample, golden["documents"].at(count++));
      EXPECT_EQ(count, golden["documents"].size());
    }
  }

 private:
  TemporaryFolder folder_;
};

TEST_F(EvalTest, FindsWhatTheHarnessFinds) {
  const Outcome run = RunLockstep(Command("shakespeare-neox"));
  ASSERT_EQ(run.exit_code, 0) << run.errors;
  ExpectGoldens("shakespeare-neox", "0 shots");
  EXPECT_THAT(run.output, HasSubstr("lambada_openai          12      0  perplexity"));
  EXPECT_FALSE(Exists("results.json.scores"));
  EXPECT_FALSE(Exists("results.json.scores.done"));
}

TEST_F(EvalTest, DrawsTheExamplesOfTheHarness) {
  const Outcome run = RunLockstep(Command("shakespeare-gptj", {"--num-fewshot", "2"}));
  ASSERT_EQ(run.exit_code, 0) << run.errors;
  ExpectGoldens("shakespeare-gptj", "2 shots");
  EXPECT_EQ(Results()["n-shot"]["sciq"], 2);
}

TEST_F(EvalTest, FindsTheSameOnTwoRanksAndInGroups) {
  if (LOCKSTEP_TEST_RANKS == 1) GTEST_SKIP() << "built without MPI";
  ASSERT_EQ(RunLockstep(Command("shakespeare-gptj")).exit_code, 0);
  ExpectGoldens("shakespeare-gptj", "0 shots");
  const std::string samples = ReadFile(Path("samples.jsonl"));
  const Json results = Results()["results"];
  for (const char* flag : {"--tp", "--dp"}) {
    const Outcome run = RunLockstep(Command("shakespeare-gptj", {flag, "2"}));
    ASSERT_EQ(run.exit_code, 0) << run.errors;
    EXPECT_EQ(ReadFile(Path("samples.jsonl")), samples) << flag;
    EXPECT_EQ(Results()["results"], results) << flag;
  }
}

TEST_F(EvalTest, MeasuresThePerplexityOfAText) {
  for (const char* model : {"shakespeare-gptj", "shakespeare-neox"}) {
    const Outcome run =
        RunLockstep({"eval", "--model", Model(model), "--perplexity", Golden() / "data/text.txt",
                     "--output", Path(model + std::string(".json")), "--threads", "1"});
    ASSERT_EQ(run.exit_code, 0) << run.errors;
    const Json found =
        ParseJson(ReadFile(Path(model + std::string(".json"))), model)["results"]["perplexity"];
    ExpectMetrics(found, Goldens(model).at("perplexity").at("perplexity").at("metrics"));
    EXPECT_THAT(run.output, HasSubstr("token_perplexity"));
  }
}

TEST_F(EvalTest, DoesNotWriteOverOtherResults) {
  const auto of = [&](const std::string& model, const std::vector<std::string>& more) {
    std::vector<std::string> words{"eval",
                                   "--model",
                                   Model(model),
                                   "--perplexity",
                                   Golden() / "data/text.txt",
                                   "--output",
                                   Path("results.json"),
                                   "--threads",
                                   "1"};
    words.insert(words.end(), more.begin(), more.end());
    return RunLockstep(words);
  };
  ASSERT_EQ(of("shakespeare-gptj", {}).exit_code, 0);
  EXPECT_EQ(of("shakespeare-gptj", {}).exit_code, 0) << "the same again";
  const std::string first = ReadFile(Path("results.json"));
  const Outcome other = of("shakespeare-neox", {});
  EXPECT_EQ(other.exit_code, 2);
  EXPECT_THAT(other.errors, HasSubstr("has the results of perplexity on "));
  EXPECT_EQ(ReadFile(Path("results.json")), first);
  EXPECT_EQ(of("shakespeare-neox", {"--restart"}).exit_code, 0);
  WriteText(Path("results.json"), "notes of mine");
  EXPECT_THAT(of("shakespeare-neox", {}).errors, HasSubstr("has no results of lockstep eval"));
}

TEST_F(EvalTest, TakesSeveralModelsOneAfterTheOther) {
  const std::string both = Model("shakespeare-gptj") + "," + Model("shakespeare-neox");
  std::vector<std::string> command = Command("shakespeare-gptj", {"--limit", "3"});
  command[2] = both;
  command[8] = "-";
  if (LOCKSTEP_TEST_RANKS > 1) command.insert(command.end(), {"--tp", "2"});
  const Outcome run = RunLockstep(command);
  ASSERT_EQ(run.exit_code, 0) << run.errors;
  const Json models = ParseJson(run.output, "output").at("models");
  ASSERT_EQ(models.size(), 2u);
  EXPECT_EQ(models[0]["model_name"], Model("shakespeare-gptj"));
  EXPECT_EQ(models[1]["model_name"], Model("shakespeare-neox"));
  EXPECT_EQ(models[1]["n-samples"]["sciq"], Json::parse(R"({"original": 10, "effective": 3})"));
  EXPECT_EQ(Lines(ReadFile(Path("samples.jsonl"))).size(), 30u);
}

// What was computed is kept until the results are written.
TEST_F(EvalTest, GoesOnWhereItStopped) {
  std::vector<std::string> to_full = Command("shakespeare-neox");
  to_full[10] = "/dev/full";
  const Outcome full = RunLockstep(to_full);
  EXPECT_EQ(full.exit_code, 3);
  EXPECT_FALSE(Exists("results.json"));
  ASSERT_TRUE(Exists("results.json.scores"));
  const Outcome other = RunLockstep(Command("shakespeare-neox", {"--limit", "2"}));
  EXPECT_EQ(other.exit_code, 2);
  EXPECT_THAT(other.errors, HasSubstr("results.json.scores"));
  const Outcome again = RunLockstep(Command("shakespeare-neox", {"--verbose"}));
  ASSERT_EQ(again.exit_code, 0) << again.errors;
  EXPECT_THAT(again.errors, testing::Not(HasSubstr("tokens/s")));
  ExpectGoldens("shakespeare-neox", "0 shots");
}

TEST_F(EvalTest, MayBeKilled) {
  RunAndKill(Command("shakespeare-neox", {"--set", "engine.max_sequences=1"}), 400,
             Victim::kStarted);
  ASSERT_EQ(RunLockstep(Command("shakespeare-neox")).exit_code, 0);
  ExpectGoldens("shakespeare-neox", "0 shots");
}

TEST_F(EvalTest, RefusesWhatItCannotUse) {
  const auto errors = [](const std::vector<std::string>& command) {
    const Outcome run = RunLockstep(command);
    EXPECT_EQ(run.exit_code, 2) << run.errors;
    EXPECT_EQ(std::ranges::count(run.errors, '\n'), 1) << run.errors;
    return run.errors;
  };
  const std::vector<std::string> good = Command("shakespeare-neox");
  const auto with = [&](std::size_t at, const std::string& value) {
    std::vector<std::string> command = good;
    command[at] = value;
    return command;
  };
  EXPECT_THAT(errors(with(4, "hellaswag")), HasSubstr("unknown task \"hellaswag\"; all are"));
  EXPECT_THAT(errors(with(6, Path("none"))),
              HasSubstr("none/lambada_openai_test.jsonl: there is no such file, which task "
                        "lambada_openai needs; put it there, or give --data another folder"));
  EXPECT_THAT(errors(with(10, Path("results.json"))), HasSubstr("--output and --samples are both"));
  EXPECT_THAT(errors(Command("shakespeare-neox", {"--num-fewshot", "12"})),
              HasSubstr("--num-fewshot is 12, and"));
  WriteText(Path("sciq_validation.jsonl"), "{\"question\": \"Q\"}\n");
  std::vector<std::string> bad = with(6, Path(""));
  bad[4] = "sciq";
  EXPECT_THAT(errors(bad), HasSubstr("sciq_validation.jsonl:1: \"support\" is missing"));
  bad[8] = Path("sciq_validation.jsonl");
  EXPECT_THAT(errors(bad), HasSubstr("is the input, which the output would replace"));
  WriteText(Path("latin1.txt"), "caf\xe9\n");
  EXPECT_THAT(
      errors({"eval", "--model", Model("shakespeare-neox"), "--perplexity", Path("latin1.txt")}),
      HasSubstr("latin1.txt: "));
  EXPECT_FALSE(Exists("results.json"));
}

TEST_F(EvalTest, SaysWhichExamplesAreMissing) {
  WriteText(Path("sciq_validation.jsonl"), ReadFile(Golden() / "data/sciq_validation.jsonl"));
  const Outcome run = RunLockstep({"eval", "--model", Model("shakespeare-neox"), "--tasks", "sciq",
                                   "--data", Path(""), "--num-fewshot", "2"});
  EXPECT_EQ(run.exit_code, 2);
  EXPECT_THAT(run.errors, HasSubstr("sciq_train.jsonl: there is no such file, which --num-fewshot "
                                    "2 of task sciq needs"));
}

}  // namespace
}  // namespace lockstep
