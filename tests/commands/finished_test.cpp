// Outputs that are finished: known to the job that made them, and kept from others. Outputs and
// inputs that cannot be used: what is said, and with which exit code.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sys/stat.h>

#include "batch_fixture.h"

namespace lockstep {
namespace {

using testing::HasSubstr;

class FinishedTest : public BatchTest {
 protected:
  void WriteTexts() const {
    WriteText(Path("in.jsonl"), "{\"prompt\": \"ab\"}\n{\"prompt\": \"abc\"}\n");
    WriteText(Path("texts.jsonl"), "{\"text\": \"ab\"}\n{\"text\": \"abc\"}\n");
  }

  std::vector<std::string> Texts(const std::string& name, const std::string& output) const {
    const std::vector<std::string> generate = Command();
    return {name,       "--model",    generate[2], "--input", Path("texts.jsonl"),
            "--output", Path(output), "--threads", "1"};
  }

  static std::vector<std::string> With(std::vector<std::string> command,
                                       const std::vector<std::string>& more) {
    command.insert(command.end(), more.begin(), more.end());
    std::erase(command, "--quiet");
    return command;
  }
};

TEST_F(FinishedTest, TheSameJobAgainHasNothingToDoAndAnotherIsRefused) {
  WriteTexts();
  struct Case {
    std::vector<std::string> command;
    std::string output;
  };
  for (const auto& [command, output] : {Case{Command(), "out.jsonl"},
                                        {Texts("score", "scores.jsonl"), "scores.jsonl"},
                                        {Texts("embed", "vectors.npy"), "vectors.npy"},
                                        {Texts("embed", "vectors.jsonl"), "vectors.jsonl"}}) {
    ASSERT_EQ(RunLockstep(command).exit_code, 0) << output;
    const std::string made = ReadFile(Path(output));
    const auto written = std::filesystem::last_write_time(Path(output));
    const Outcome again = RunLockstep(With(command, {}));
    EXPECT_EQ(again.exit_code, 0) << again.errors;
    EXPECT_THAT(again.errors, HasSubstr(Path(output) + ": complete, nothing to do"));
    const Outcome other = RunLockstep(With(command, {"--dtype", "bf16"}));
    EXPECT_EQ(other.exit_code, 2);
    EXPECT_THAT(
        other.errors,
        HasSubstr("was made by a job with another model.dtype: it was fp32 and is bf16 now; "
                  "give --restart to write over it, or --output another name"));
    EXPECT_EQ(ReadFile(Path(output)), made);
    EXPECT_EQ(std::filesystem::last_write_time(Path(output)), written);
    EXPECT_EQ(RunLockstep(With(command, {"--dtype", "bf16", "--restart"})).exit_code, 0);
    EXPECT_NE(ReadFile(Path(output)), made);
  }
}

// Two models may differ far behind the beginning of their weights, as merges of adapters do; and a
// chat template is part of the model, too.
TEST_F(FinishedTest, AnotherModelIsRefusedWhereverItDiffers) {
  WriteTexts();
  const std::filesystem::path model = Path("model");
  std::filesystem::copy(SourceFolder() / "models/shakespeare-neox", model,
                        std::filesystem::copy_options::recursive);
  std::filesystem::permissions(model, std::filesystem::perms::owner_all,
                               std::filesystem::perm_options::add);
  std::vector<std::string> command = Command();
  command[2] = model;
  std::string weights(std::size_t{8} << 20, 'a');  // larger than the part that is read whole
  WriteText(model / "more.bin", weights);
  ASSERT_EQ(RunLockstep(command).exit_code, 0);
  WriteText(model / "chat_template.jinja", "{{ messages }}");
  EXPECT_THAT(RunLockstep(command).errors, HasSubstr("another model file chat_template.jinja"));
  std::filesystem::remove(model / "chat_template.jinja");
  EXPECT_EQ(RunLockstep(command).exit_code, 0);
  weights.replace(weights.size() - (64 << 10), 32 << 10, std::size_t{32} << 10, 'b');
  WriteText(model / "more.bin", weights);
  EXPECT_THAT(RunLockstep(command).errors, HasSubstr("another model file more.bin"));
}

TEST_F(FinishedTest, AnotherTokenizerIsRefusedByWhateverNameItIsGiven) {
  WriteTexts();
  for (const char* name : {"gptj", "neox"}) {
    const auto hub = std::filesystem::path(Path("hub")) / (std::string("models--o--") + name);
    std::filesystem::create_directories(hub / "snapshots");
    std::filesystem::create_directories(hub / "refs");
    std::filesystem::create_directory_symlink(
        SourceFolder() / "models" / (std::string("shakespeare-") + name), hub / "snapshots/1");
    WriteText(hub / "refs/main", "1");
  }
  std::vector<std::string> command = Command();
  command[2] = SourceFolder() / "models/shakespeare-neox";
  const std::string hub = "HF_HUB_CACHE='" + Path("hub") + "' exec \"$@\"";
  const Outcome first = RunScript(hub, With(command, {"--tokenizer", "o/neox"}));
  ASSERT_EQ(first.exit_code, 0) << first.errors;
  EXPECT_THAT(RunScript(hub, With(command, {"--tokenizer", "o/gptj"})).errors,
              HasSubstr("made by a job with another tokenizer file"));
}

TEST_F(FinishedTest, ManyRanksHaveNothingToDoEither) {
  if (LOCKSTEP_TEST_RANKS == 1) GTEST_SKIP() << "built without MPI";
  WriteTexts();
  ASSERT_EQ(RunLockstep(Command()).exit_code, 0);
  for (const Outcome& again : {RunLockstep(With(Command(), {"--tp", "2"})),
                               RunUnderMpirun(2, With(Command(), {"--dp", "2"}))}) {
    EXPECT_EQ(again.exit_code, 0) << again.errors;
    EXPECT_THAT(again.errors, HasSubstr("complete, nothing to do"));
  }
  const Outcome three = RunLockstep(With(Command(), {"--tp", "3"}));
  EXPECT_EQ(three.exit_code, 2);
  EXPECT_THAT(three.errors, HasSubstr("another sums over ranks: it was as on 1 rank and is as on 3 "
                                      "ranks now"));
}

TEST_F(FinishedTest, ItsLinesThatCouldNotBeUsedAreRememberedToo) {
  WriteInput(10);
  ASSERT_EQ(RunLockstep(Command()).exit_code, 2);
  const Outcome again = RunLockstep(With(Command(), {}));
  EXPECT_EQ(again.exit_code, 2);
  EXPECT_THAT(again.errors, HasSubstr("complete, nothing to do"));
  EXPECT_THAT(again.errors, HasSubstr("1 of 10 lines could not be used"));
}

// With --restart another job has been begun and cut off: going on with that needs no --restart.
TEST_F(FinishedTest, AJobThatWasBegunAnewGoesOnBesideWhatWasFinished) {
  WriteInput(400);
  ASSERT_EQ(RunLockstep(Command()).exit_code, 2);
  const std::string first = ReadFile(Path("out.jsonl"));
  const std::vector<std::string> anew = Command({"--seed", "7"});
  RunScript(fmt::format("\"$@\" --restart & while ! test -s '{}'; do sleep 0.01; done; kill -9 $!",
                        Path("out.jsonl.partial")),
            anew);
  EXPECT_EQ(ReadFile(Path("out.jsonl")), first);
  EXPECT_EQ(RunLockstep(anew).exit_code, 2);
  EXPECT_NE(ReadFile(Path("out.jsonl")), first);
  EXPECT_EQ(RunLockstep(Command()).exit_code, 2) << "and is kept from the first job";
}

TEST_F(FinishedTest, AFileThatMayNotGrowIsLikeAFullDiskForEveryCommand) {
  std::string texts;
  for (int i = 0; i < 100; ++i) texts += "{\"text\": \"abcdef\"}\n";
  WriteText(Path("texts.jsonl"), texts);
  constexpr int kBytes = 1000;  // enough for what is said
  for (const std::string name : {"score", "embed"}) {
    const Outcome run = RunLimited(Texts(name, name), kBytes);
    EXPECT_EQ(run.exit_code, 3) << run.errors;
    EXPECT_THAT(run.errors, HasSubstr("writing failed: File too large"));
    EXPECT_FALSE(Exists(name));
  }
  std::vector<std::string> to_stdout = Texts("score", "-");
  *(std::find(to_stdout.begin(), to_stdout.end(), "--output") + 1) = "-";
  const Outcome run = RunLimited(to_stdout, kBytes);
  EXPECT_EQ(run.exit_code, 3);
  EXPECT_THAT(run.errors, HasSubstr("standard output: cannot be written: File too large"));
}

TEST_F(FinishedTest, ALineThatIsTooLongIsNamed) {
  WriteTexts();
  const std::string lengthen =
      "head -c 70000000 /dev/zero | tr '\\0' ' ' > '{0}.long'; printf '{{}}\\n' >> '{0}.long'; cat "
      "'{0}' >> '{0}.long'; mv '{0}.long' '{0}'";
  for (const char* name : {"in.jsonl", "texts.jsonl"})
    ASSERT_EQ(RunScript(fmt::format(fmt::runtime(lengthen), Path(name)), {}).exit_code, 0);
  const Outcome generate = RunLockstep(Command());
  EXPECT_EQ(generate.exit_code, 2);
  EXPECT_THAT(generate.errors,
              HasSubstr("in.jsonl:1: the line has 70000002 bytes; expected at most"));
  EXPECT_THAT(ReadFile(Path("out.jsonl")), HasSubstr("{\"id\":2,\"prompt\":\"abc\""));
  for (const std::string name : {"score", "embed"}) {
    const Outcome run = RunLockstep(Texts(name, name));
    EXPECT_EQ(run.exit_code, 2);
    EXPECT_THAT(run.errors, HasSubstr("texts.jsonl:1: the line has 70000002 bytes"));
  }
  const Outcome tokenize = RunScript(
      fmt::format("exec \"$@\" < '{}'", Path("texts.jsonl")),
      {"tokenize", "--tokenizer", std::filesystem::path(Command()[2]) / "tokenizer.json"});
  EXPECT_EQ(tokenize.exit_code, 2);
  EXPECT_THAT(tokenize.errors, HasSubstr("standard input:1: the line has 70000002 bytes"));
}

TEST_F(FinishedTest, WhatAUserMayNotTouchIsSaidWithItsReason) {
  WriteTexts();
  const std::string nobody = "exec setpriv --reuid=65534 --regid=65534 --clear-groups -- \"$@\"";
  const std::string program = nobody.substr(0, nobody.size() - 4) + "\"$1\" --version";
  std::filesystem::permissions(Path(""), std::filesystem::perms(0755));
  if (::geteuid() != 0 || RunScript("exec setpriv --reuid=65534 --regid=65534 --clear-groups -- "
                                    "\"$1\" --version",
                                    {})
                                  .exit_code != 0)
    GTEST_SKIP() << "only root can become another user who may run the program";
  const std::vector<std::string> command = Command();
  const std::filesystem::path model = command[2];
  const auto refuse = [&](const std::filesystem::path& path, int mode) {
    const auto was = std::filesystem::status(path).permissions();
    std::filesystem::permissions(path, std::filesystem::perms(mode));
    const Outcome run = RunScript(nobody, command);
    EXPECT_EQ(run.exit_code, 3) << path << run.errors;
    EXPECT_THAT(run.errors, HasSubstr("Permission denied")) << path;
    EXPECT_THAT(run.errors, testing::Not(HasSubstr("please report"))) << path;
    std::filesystem::permissions(path, was);
  };
  refuse(Path(""), 0755);  // nothing may be written beside the output
  std::filesystem::permissions(Path(""), std::filesystem::perms(0777));
  ASSERT_EQ(RunScript(nobody, command).exit_code, 0);
  std::filesystem::remove(Path("out.jsonl"));
  refuse(model, 0);
  refuse(model / "config.json", 0);
  refuse(model / "tokenizer.json", 0);
  refuse(model / "model.safetensors", 0);
  refuse(Path("in.jsonl"), 0);
  WriteText(Path("out.jsonl.journal"), "");
  refuse(Path("out.jsonl.journal"), 0);
  std::filesystem::remove(Path("out.jsonl.journal"));
  std::filesystem::remove(Path("out.jsonl.done"));
  WriteText(Path("out.jsonl"), "read only");
  refuse(Path("out.jsonl"), 0444);
}

// A reader that takes its time, as `| less` does, is no rank that died.
TEST_F(FinishedTest, ASlowReaderIsWaitedFor) {
  if (LOCKSTEP_TEST_RANKS == 1) GTEST_SKIP() << "built without MPI";
  WriteTexts();
  ASSERT_EQ(::mkfifo(Path("pipe").c_str(), 0600), 0);
  for (const std::vector<std::string>& ranks :
       {std::vector<std::string>{"--tp", "2"}, {"--dp", "2"}}) {
    std::vector<std::string> command = Command({"--set", "comm.deadline_seconds=1.5"});
    command.insert(command.end(), ranks.begin(), ranks.end());
    *(std::find(command.begin(), command.end(), "--output") + 1) = Path("pipe");
    const Outcome run =
        RunScript(fmt::format("(sleep 6; exec cat '{}') > '{}' & \"$@\"; code=$?; wait; exit $code",
                              Path("pipe"), Path("taken")),
                  command);
    EXPECT_EQ(run.exit_code, 0) << run.errors;
    EXPECT_THAT(ReadFile(Path("taken")), HasSubstr("{\"id\":1,\"prompt\":\"abc\""));
  }
}

}  // namespace
}  // namespace lockstep
