// `lockstep eval` over checkpoints in a cache of the hub's layout: two models of another size each,
// six revisions of both. One is not there, and the weights of another are damaged.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <optional>
#include <set>
#include <stdexcept>

#include "core/error.h"
#include "core/files/file.h"
#include "core/json.h"
#include "hub_cache.h"
#include "program.h"
#include "tests/support/test_data.h"

namespace lockstep {
namespace {

using testing::HasSubstr;
using testing::Not;

const std::vector<std::string> kRevisions = {"step0",   "step1",   "step16",
                                             "step128", "step512", "step1000"};
constexpr const char* kAsked = "step0,step1,step16,step128,step512..step1000";
constexpr const char* kMissing = "org/two@step16";
constexpr const char* kDamaged = "org/four@step128";

int CountOf(std::string_view text, std::string_view part) {
  int count = 0;
  for (auto at = text.find(part); at != text.npos; at = text.find(part, at + 1)) ++count;
  return count;
}

class EvalSweep : public testing::Test {
 protected:
  EvalSweep() : hub_(folder_ / "hub") {
    for (const std::string& revision : kRevisions) {
      Add("org/four", revision);
      if ("org/two@" + revision != kMissing) Add("org/two", revision);
    }
    Damage();
  }

  void Add(const std::string& model, const std::string& revision) const {
    const double step = std::stod(revision.substr(4));
    const std::string scratch = Path("scratch");
    WriteModel({.layers = model == "org/four" ? 4 : 2,
                .trained = std::log1p(step) / std::log1p(1000.0),
                .seed = static_cast<std::uint64_t>(step)},
               scratch);
    hub_.Add(model, revision, scratch);
  }

  // The last bytes are missing, as after a download that was cut off.
  void Damage() const {
    const auto file = hub_.Blob("org/four", "step128", "model.safetensors");
    std::filesystem::resize_file(file, std::filesystem::file_size(file) - 4096);
  }

  std::string Path(const std::string& name) const { return folder_ / name; }
  bool Exists(const std::string& name) const { return FileExists(Path(name)); }

  std::vector<std::string> Command(const std::vector<std::string>& more = {}) const {
    return With("org/four,org/two", more, {"--revisions", kAsked});
  }
  std::vector<std::string> With(const std::string& model, const std::vector<std::string>& more,
                                const std::vector<std::string>& revisions = {}) const {
    std::vector<std::string> command = {"eval",
                                        "--model",
                                        model,
                                        "--tasks",
                                        "lambada_openai,sciq",
                                        "--data",
                                        SourceFolder() / "tests/golden/evaluation/data",
                                        "--output",
                                        Path("sweep.json"),
                                        "--samples",
                                        Path("samples.jsonl"),
                                        "--threads",
                                        "1"};
    command.insert(command.end(), revisions.begin(), revisions.end());
    command.insert(command.end(), more.begin(), more.end());
    return command;
  }

  // The same with another value of a flag.
  static std::vector<std::string> Other(std::vector<std::string> command, const std::string& flag,
                                        const std::string& value) {
    const auto found = std::ranges::find(command, flag);
    if (found == command.end()) throw std::runtime_error(flag + " is not given");
    *std::next(found) = value;
    return command;
  }
  std::vector<std::string> Alone(const std::string& checkpoint) const {
    return Other(Other(With(checkpoint, {}), "--output", Path("alone.json")), "--samples",
                 Path("alone.jsonl"));
  }

  Json Read() const { return ParseJson(ReadFile(Path("sweep.json")), "sweep.json"); }
  Json ResultsOf(const std::string& checkpoint) const {
    const Json all = Read();
    for (const Json& model : all["models"])
      if (NameOf(model) == checkpoint) return model["results"];
    ADD_FAILURE() << checkpoint << " has no results";
    return {};
  }
  static std::string NameOf(const Json& model) {
    return model["model_name"].get<std::string>() + "@" +
           model["config"]["model_revision"].get<std::string>();
  }
  std::set<std::string> Evaluated() const {
    std::set<std::string> names;
    const Json all = Read();
    for (const Json& model : all["models"]) names.insert(NameOf(model));
    return names;
  }

  void ExpectAllButTwo() const {
    const Json all = Read();
    EXPECT_EQ(all["models"].size(), 10u);
    EXPECT_FALSE(Evaluated().contains(kMissing));
    EXPECT_FALSE(Evaluated().contains(kDamaged));
    ASSERT_EQ(all["not_evaluated"].size(), 2u);
    EXPECT_EQ(all["not_evaluated"][0]["model"], kDamaged);
    EXPECT_THAT(all["not_evaluated"][0]["reason"].get<std::string>(),
                HasSubstr("model.safetensors"));
    EXPECT_EQ(all["not_evaluated"][1]["model"], kMissing);
    EXPECT_THAT(all["not_evaluated"][1]["reason"].get<std::string>(),
                HasSubstr("hf download org/two --revision step16"));
  }

  const TemporaryFolder folder_;
  const HubCache hub_;
};

TEST_F(EvalSweep, GoesOverWhatIsThereAndNamesTheRest) {
  const Outcome run = RunLockstep(Command({"--verbose"}));
  EXPECT_EQ(run.exit_code, 2) << run.errors;
  ExpectAllButTwo();
  EXPECT_THAT(run.errors, HasSubstr("1 of 12 checkpoints are not on this machine and are left out: "
                                    "org/two@step16"));
  EXPECT_THAT(run.errors, HasSubstr("4 of 12: org/four@step128 is left out: "));
  EXPECT_THAT(run.errors, HasSubstr("2 of 12 checkpoints were not evaluated: org/four@step128, "
                                    "org/two@step16"));
  EXPECT_THAT(run.errors, HasSubstr("12 of 12: org/two@step1000"));
  EXPECT_THAT(run.output, HasSubstr("org/four@step512\n"));
  // Each shape was brought up once, the other weights took its place.
  EXPECT_EQ(CountOf(run.errors, "lockstep: loaded in "), 2) << run.errors;
  EXPECT_EQ(CountOf(run.errors, "took the place of those before"), 8) << run.errors;
  const Json first = Read()["models"][0];
  EXPECT_EQ(first["model_name"], "org/four");
  EXPECT_EQ(first["config"]["model_revision"], "step0");
  EXPECT_EQ(first["config"]["model_args"]["revision"], "step0");
  EXPECT_EQ(first["config"]["model_sha"], ReadFile(Path("hub/models--org--four/refs/step0")));
}

TEST_F(EvalSweep, FindsWhatEveryCheckpointAloneHas) {
  EXPECT_EQ(RunLockstep(Command()).exit_code, 2);
  const std::string samples = ReadFile(Path("samples.jsonl"));
  EXPECT_EQ(CountOf(samples, "\n"), 10 * (12 + 10));
  for (const char* checkpoint : {"org/four@step512", "org/two@step1", "org/two@step1000"}) {
    const Json results = ResultsOf(checkpoint);
    const Outcome alone = RunLockstep(Alone(checkpoint));
    ASSERT_EQ(alone.exit_code, 0) << alone.errors;
    EXPECT_EQ(ParseJson(ReadFile(Path("alone.json")), "alone.json")["results"], results);
    EXPECT_THAT(samples, HasSubstr(ReadFile(Path("alone.jsonl")))) << checkpoint;
    std::filesystem::remove(Path("alone.json"));  // results are not written over
  }
  EXPECT_NE(ResultsOf("org/four@step0"), ResultsOf("org/four@step1"));
}

TEST_F(EvalSweep, FindsTheSameOnTwoRanksAndInGroups) {
  if (LOCKSTEP_TEST_RANKS == 1) GTEST_SKIP() << "built without MPI";
  EXPECT_EQ(RunLockstep(Command()).exit_code, 2);
  const std::string samples = ReadFile(Path("samples.jsonl"));
  for (const char* flag : {"--tp", "--dp"}) {
    const Outcome run = RunLockstep(Command({flag, "2", "--verbose", "--restart"}));
    EXPECT_EQ(run.exit_code, 2) << run.errors;
    ExpectAllButTwo();
    EXPECT_EQ(ReadFile(Path("samples.jsonl")), samples) << flag;
    EXPECT_EQ(CountOf(run.errors, "took the place of those before"), 16) << run.errors;
  }
}

TEST_F(EvalSweep, DrawsAReportWithPublishedScoresBesideIt) {
  std::filesystem::create_directories(Path("published"));
  WriteText(Path("published/two.json"),
            R"({"results": {"lambada_openai": {"ppl": 12.75, "acc": 0.5}},
    "config": {"num_fewshot": 0, "model_args": "pretrained=others/two,revision=step512"}})");
  const Outcome run =
      RunLockstep(Command({"--html", Path("sweep.html"), "--published", Path("published")}));
  EXPECT_EQ(run.exit_code, 2) << run.errors;
  const std::string html = ReadFile(Path("sweep.html"));
  EXPECT_THAT(html, HasSubstr("Evaluation of 10 checkpoints"));
  EXPECT_THAT(html, HasSubstr("org/four@step128"));
  EXPECT_THAT(html, HasSubstr("hf download org/two --revision step16"));
  EXPECT_THAT(html, HasSubstr("two, published"));
  EXPECT_THAT(html, HasSubstr("12.7500"));
  EXPECT_EQ(CountOf(html, "-steps.svg"), 4);
  EXPECT_EQ(CountOf(html, "-sizes.svg"), 4);
}

// The results of this run are not among the published ones that it is compared with, wherever they
// are written.
TEST_F(EvalSweep, DoesNotCompareResultsWithThemselves) {
  std::filesystem::create_directories(Path("published"));
  const std::string theirs = R"({"results": {"sciq": {"acc": 0.5}},
    "config": {"model_args": "pretrained=org/two,revision=step0"}})";
  WriteText(Path("published/theirs.json"), theirs);
  const auto with_published = [&](const std::string& published, const std::string& output) {
    return Other(With("org/two@step0", {"--limit", "2", "--html", Path("sweep.html"), "--published",
                                        Path(published)}),
                 "--output", Path(output));
  };
  const Outcome run = RunLockstep(with_published("published", "published/ours.json"));
  EXPECT_EQ(run.exit_code, 0) << run.errors;
  EXPECT_THAT(ReadFile(Path("sweep.html")),
              HasSubstr("1 files, which have 1 scores of these models and tasks"));
  const Outcome over =
      RunLockstep(with_published("published/theirs.json", "published/theirs.json"));
  EXPECT_EQ(over.exit_code, 2);
  EXPECT_THAT(over.errors, HasSubstr("is the input, which the output would replace"));
  EXPECT_EQ(ReadFile(Path("published/theirs.json")), theirs);
}

TEST_F(EvalSweep, GoesOnWithWhatWasMissing) {
  EXPECT_EQ(RunLockstep(Command()).exit_code, 2);
  const Json before = ResultsOf("org/four@step0");
  Add("org/two", "step16");
  const Outcome second = RunLockstep(Command({"--verbose"}));
  EXPECT_EQ(second.exit_code, 2);
  EXPECT_EQ(CountOf(second.errors, ": was computed before"), 10) << second.errors;
  EXPECT_EQ(Read()["models"].size(), 11u);
  EXPECT_EQ(ResultsOf("org/four@step0"), before);
  std::filesystem::remove(hub_.Blob("org/four", "step128", "model.safetensors"));
  Add("org/four", "step128");
  const Outcome third = RunLockstep(Command());
  EXPECT_EQ(third.exit_code, 0) << third.errors;
  EXPECT_EQ(Read()["models"].size(), 12u);
  EXPECT_FALSE(Read().contains("not_evaluated"));
  for (const std::string& name : NamesIn(folder_.path()))
    EXPECT_THAT(name, Not(HasSubstr("scores"))) << "of no more use";
}

// Where all is done that can be, no rank is started.
TEST_F(EvalSweep, NeedsNoRanksForWhatIsDone) {
  if (LOCKSTEP_TEST_RANKS == 1) GTEST_SKIP() << "built without MPI";
  std::filesystem::remove_all(Path("hub/models--org--four/snapshots") + "/" +
                              ReadFile(Path("hub/models--org--four/refs/step128")));
  EXPECT_EQ(RunLockstep(Command({"--tp", "2"})).exit_code, 2);
  const Json before = Read();
  const Outcome again = RunLockstep(Command({"--tp", "2", "--verbose"}));
  EXPECT_EQ(again.exit_code, 2);
  EXPECT_EQ(CountOf(again.errors, ": was computed before"), 10) << again.errors;
  EXPECT_THAT(again.errors, Not(HasSubstr("loaded in")));
  EXPECT_EQ(ResultsOf("org/two@step512"), before["models"][8]["results"]);
}

TEST_F(EvalSweep, MayBeKilled) {
  const std::vector<std::string> slow = Command({"--set", "engine.max_sequences=1"});
  RunAndKill(slow, 700, Victim::kStarted);
  EXPECT_EQ(RunLockstep(Command()).exit_code, 2);
  ExpectAllButTwo();
  const Json results = ResultsOf("org/two@step1000");
  const Outcome alone = RunLockstep(Alone("org/two@step1000"));
  ASSERT_EQ(alone.exit_code, 0) << alone.errors;
  EXPECT_EQ(ParseJson(ReadFile(Path("alone.json")), "alone.json")["results"], results);
}

// Beside revisions of the hub any list of models goes on in the same way.
TEST_F(EvalSweep, LeavesOutModelsOfAList) {
  std::filesystem::create_directories(Path("empty"));
  const Outcome run =
      RunLockstep(With("org/two@step0," + Path("empty") + ",org/two@step1", {"--limit", "2"}));
  EXPECT_EQ(run.exit_code, 2);
  EXPECT_EQ(Evaluated(), (std::set<std::string>{"org/two@step0", "org/two@step1"}));
  EXPECT_THAT(run.errors, HasSubstr(Path("empty")));
}

TEST_F(EvalSweep, RefusesWhatIsWrongForAllAtOnce) {
  const auto refused = [&](const std::vector<std::string>& command) {
    const Outcome run = RunLockstep(command);
    EXPECT_EQ(run.exit_code, 2) << run.errors;
    EXPECT_EQ(std::ranges::count(run.errors, '\n'), 1) << run.errors;
    EXPECT_FALSE(Exists("sweep.json"));
    return run.errors;
  };
  EXPECT_THAT(refused(With("org/four", {}, {"--revisions", "step7..step7"})),
              HasSubstr("has no step in \"step7..step7\""));
  EXPECT_THAT(refused(With("org/four", {}, {"--revisions", "step2,step4"})),
              HasSubstr("none of the 2 checkpoints is on this machine; the first: model "
                        "\"org/four\": the cache has no revision \"step2\""));
  EXPECT_THAT(refused(Command({"--html", Path("sweep.json")})),
              HasSubstr("--output and --html are both"));
  EXPECT_THAT(refused(Command({"--published", Path("nowhere")})), HasSubstr("but no --html"));
  EXPECT_THAT(refused(Command({"--html", Path("r.html"), "--published", Path("nowhere")})),
              HasSubstr("nowhere"));
  EXPECT_THAT(refused(Other(Command(), "--data", Path("nowhere"))),
              HasSubstr("nowhere/lambada_openai_test.jsonl: there is no such file"));
  EXPECT_THAT(
      refused(With(SourceFolder() / "models/shakespeare-neox", {}, {"--revisions", "step0"})),
      HasSubstr("is a folder, which has no revisions"));
}

}  // namespace
}  // namespace lockstep
