// --dtype auto, the default: what it comes to, that it is said, and that it computes what the
// format by its name computes. The demo models are stored in fp16.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/json.h"
#include "program.h"
#include "running_server.h"
#include "tests/support/test_data.h"

namespace lockstep {
namespace {

using testing::HasSubstr;
using testing::Not;
using Words = std::vector<std::string>;

std::string Demo() { return (SourceFolder() / "models/shakespeare-neox").string(); }

Words Generate(const Words& more) {
  Words words = {"generate", "--model",       Demo(), "--prompt",  "ROMEO:", "--max-new-tokens",
                 "24",       "--temperature", "0",    "--threads", "1"};
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

// With the instructions that every processor has.
Outcome RunPortable(const Words& arguments) {
  return RunScript("LOCKSTEP_ISA=portable exec \"$@\"", arguments);
}

// By the instruction set that the program itself has chosen.
std::string FormatOfThisProcessor() {
  const Outcome asked = RunLockstep({"env", "--json"});
  const std::string isa = ParseJson(asked.output, "env")["processor"]["instruction_set"];
  return isa == "avx512_bf16" || isa == "amx" ? "bf16" : "fp32";
}

TEST(AutoDtype, IsFp32OnAProcessorWithoutInstructionsForBf16) {
  const Outcome run = RunPortable(Generate({"--dtype", "auto"}));
  EXPECT_EQ(run.exit_code, 0);
  EXPECT_THAT(run.errors,
              HasSubstr("dtype: fp32 (checkpoint is fp16; this processor has no instructions for "
                        "bf16)"));
  EXPECT_EQ(run.output, RunPortable(Generate({"--dtype", "fp32"})).output);
}

TEST(AutoDtype, IsTheDefaultAndWhatThisProcessorIsFastAt) {
  const Outcome run = RunAsGiven(Generate({}));
  EXPECT_EQ(run.exit_code, 0);
  EXPECT_THAT(run.errors,
              HasSubstr("dtype: " + FormatOfThisProcessor() + " (checkpoint is fp16; "));
  const Outcome named = RunLockstep(Generate({"--dtype", FormatOfThisProcessor()}));
  EXPECT_EQ(run.output, named.output);
  EXPECT_THAT(named.errors, Not(HasSubstr("dtype:")));
  EXPECT_THAT(RunLockstep(Generate({"--dtype", "auto", "--quiet"})).errors,
              Not(HasSubstr("dtype:")));
}

TEST(AutoDtype, OfRanksGoesByTheSlowest) {
  if (LOCKSTEP_TEST_RANKS == 1) GTEST_SKIP() << "built without MPI";
  const Outcome run = RunScript(
      "export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 "
      "OMPI_MCA_btl_vader_single_copy_mechanism=none; "
      "exec mpirun --quiet --oversubscribe --bind-to none -n 1 \"$@\" : "
      "-n 1 env LOCKSTEP_ISA=portable \"$@\"",
      Generate({"--dtype", "auto"}));
  EXPECT_EQ(run.exit_code, 0) << run.errors;
  EXPECT_THAT(run.errors,
              HasSubstr("dtype: fp32 (checkpoint is fp16; not every rank's processor has "
                        "instructions for bf16)"));
  EXPECT_NE(run.output, "");
}

TEST(AutoDtype, IsReportedByBenchAndPlan) {
  const Words bench = {
      "bench",  "decode",          "--model", Demo(),         "--batch", "1",
      "--json", "--prompt-tokens", "4",       "--new-tokens", "4",       "--rounds",
      "1",      "--threads",       "1",       "--dtype",      "auto"};
  const Outcome run = RunLockstep(bench);
  ASSERT_EQ(run.exit_code, 0) << run.errors;
  EXPECT_EQ(ParseJson(run.output, "bench")["dtype"], FormatOfThisProcessor());
  EXPECT_EQ(ParseJson(RunPortable(bench).output, "bench")["dtype"], "fp32");

  const Words plan = {"plan", "--model", Demo(), "--json", "--dtype", "auto"};
  EXPECT_EQ(ParseJson(RunLockstep(plan).output, "plan")["dtype"], FormatOfThisProcessor());
  EXPECT_EQ(ParseJson(RunPortable(plan).output, "plan")["dtype"], "fp32");
  Words on_gpus = plan;
  on_gpus.insert(on_gpus.end(), {"--machine", "h100"});
  const Outcome planned = RunPortable(on_gpus);
  EXPECT_EQ(ParseJson(planned.output, "plan")["dtype"], "fp16") << planned.errors;
  EXPECT_THAT(planned.errors, HasSubstr("dtype: fp16 (checkpoint is fp16)"));
}

TEST(AutoDtype, OfAServerIsThatOfItsRanks) {
  RunningServer server({"--model", Demo(), "--threads", "1", "--dtype", "auto"});
  EXPECT_EQ(ParseJson(server.Get("/v1/models").body, "models")["data"][0]["dtype"],
            FormatOfThisProcessor());
  EXPECT_THAT(server.errors(),
              HasSubstr("dtype: " + FormatOfThisProcessor() + " (checkpoint is fp16; "));
}

TEST(AutoDtype, OfAJobIsKeptByItsNameSoThatItMayBeStated) {
  const TemporaryFolder folder;
  WriteText(folder / "in.jsonl", "{\"prompt\": \"ROMEO:\", \"max_new_tokens\": 4}\n");
  const auto job = [&](const std::string& dtype) {
    return RunLockstep({"generate", "--model", Demo(), "--threads", "1", "--input",
                        (folder / "in.jsonl").string(), "--output", (folder / "out.jsonl").string(),
                        "--dtype", dtype});
  };
  EXPECT_EQ(job("auto").exit_code, 0);
  const Outcome again = job(FormatOfThisProcessor());
  EXPECT_EQ(again.exit_code, 0) << again.errors;
  const Outcome other = job("int8");
  EXPECT_EQ(other.exit_code, 2);
  EXPECT_THAT(other.errors, HasSubstr("another model.dtype: it was " + FormatOfThisProcessor() +
                                      " and is int8 now"));
}

TEST(AutoDtype, IsNoFormatToMeasureBesideOthers) {
  const Outcome run = RunLockstep({"bench", "scaling", "--model", Demo(), "--dtypes", "auto,int8"});
  EXPECT_EQ(run.exit_code, 2);
  EXPECT_THAT(run.errors, HasSubstr("--dtypes has auto; name the formats to measure"));
}

}  // namespace
}  // namespace lockstep
