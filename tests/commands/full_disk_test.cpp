// Outputs that cannot be written: devices and disks that are full, folders that are read only. What
// is finished is kept, and the same command ends as if nothing had been.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <sstream>

#include "batch_fixture.h"

namespace lockstep {
namespace {

using testing::HasSubstr;

class FullDisk : public BatchTest {
 protected:
  void SetUp() override {
    const Outcome can = RunScript(Disk("true"), {});
    if (can.exit_code != 0)
      GTEST_SKIP() << "a user may not mount a file system here, so no disk can be full: "
                   << can.errors;
  }

  // A script that runs with a small disk of its own at "disk".
  std::string Disk(const std::string& script) const {
    std::filesystem::create_directories(Path("disk"));
    WriteText(Path("script"),
              fmt::format("mount -t tmpfs -o size=160k none '{}' && cd '{}' || exit 9\n{}",
                          Path("disk"), Path("disk"), script));
    return "exec unshare --user --map-root-user --mount sh '" + Path("script") + "' \"$@\"";
  }

  std::vector<std::string> OnDisk(const std::vector<std::string>& more) const {
    std::vector<std::string> command = Command(more);
    *(std::find(command.begin(), command.end(), "--output") + 1) = "out.jsonl";
    return command;
  }

  // Leaves so little room that the job cannot end, sees it fail, makes room, sees it end.
  void ExpectTheSameOnceThereIsRoom(const std::vector<std::string>& more) {
    const std::string expected = Uninterrupted();
    ASSERT_GT(expected.size(), 16'000u);
    ASSERT_LT(expected.size(), 100'000u);
    const std::string script = fmt::format(
        R"(dd if=/dev/zero of=filler bs=1k count=148 2>/dev/null
           "$@" 2>'{}'; echo $?
           wc -c < out.jsonl.partial
           rm filler
           "$@"; echo $?
           ls; cp out.jsonl '{}')",
        Path("errors"), Path("out.jsonl"));
    const Outcome run = RunScript(Disk(script), OnDisk(more));
    std::istringstream said(run.output);
    int full = -1, kept = -1, then = -1;
    std::string left;
    said >> full >> kept >> then >> left;
    EXPECT_EQ(full, 3) << run.output;
    EXPECT_THAT(ReadFile(Path("errors")), HasSubstr("writing failed: No space left on device; "
                                                    "what is finished is kept: make room"));
    EXPECT_GT(kept, 2000);
    EXPECT_EQ(then, 2) << run.errors;
    EXPECT_EQ(left, "out.jsonl");
    EXPECT_EQ(ReadFile(Path("out.jsonl")), expected);
  }
};

TEST_F(FullDisk, LosesNothing) {
  WriteInput(150);
  ExpectTheSameOnceThereIsRoom({});
}

TEST_F(FullDisk, LosesNothingOnTwoRanks) {
  if (LOCKSTEP_TEST_RANKS == 1) GTEST_SKIP() << "built without MPI";
  WriteInput(150);
  ExpectTheSameOnceThereIsRoom({"--tp", "2"});
}

TEST_F(FullDisk, LosesNothingInTwoGroups) {
  if (LOCKSTEP_TEST_RANKS == 1) GTEST_SKIP() << "built without MPI";
  WriteInput(150);
  ExpectTheSameOnceThereIsRoom({"--dp", "2"});
}

TEST_F(FullDisk, ThatHasNoRoomAtAllIsSaidBeforeAnythingIsComputed) {
  WriteInput(5);
  const Outcome run =
      RunScript(Disk("dd if=/dev/zero of=filler bs=1k count=200 2>/dev/null\n\"$@\""), OnDisk({}));
  EXPECT_EQ(run.exit_code, 3);
  EXPECT_THAT(run.errors, HasSubstr("out.jsonl.journal: writing failed: No space left on device"));
}

TEST_F(FullDisk, ThatIsReadOnlyIsSaidBeforeAnythingIsComputed) {
  WriteInput(5);
  const Outcome run =
      RunScript(Disk("mount -o remount,ro '" + Path("disk") + "'\n\"$@\""), OnDisk({}));
  EXPECT_EQ(run.exit_code, 3);
  EXPECT_THAT(run.errors, HasSubstr("out.jsonl.journal: cannot be written: Read-only file system; "
                                    "check that the folder exists and is writable"));
}

// An earlier output is not touched, and nothing is left to be taken for a whole new one.
TEST_F(FullDisk, LeavesNoHalfArrayOfVectors) {
  std::string lines;
  for (int i = 0; i < 400; ++i) lines += fmt::format("{{\"text\": \"text {}\"}}\n", i);
  WriteText(Path("texts.jsonl"), lines);
  const Outcome run =
      RunScript(Disk("echo before > out.npy\n\"$@\"; echo $?; cat out.npy; ls"),
                {"embed", "--model", SourceFolder() / "models/shakespeare-neox", "--threads", "1",
                 "--input", Path("texts.jsonl"), "--output", "out.npy"});
  EXPECT_THAT(run.errors, HasSubstr("out.npy.partial: writing failed: No space left on device; "
                                    "what is finished is kept"));
  EXPECT_EQ(run.output, "3\nbefore\nout.npy\nout.npy.journal\nout.npy.partial\n");
}

class UnwritableOutput : public BatchTest {
 protected:
  std::vector<std::string> CommandTo(const std::string& output) const {
    std::vector<std::string> command = Command();
    *(std::find(command.begin(), command.end(), "--output") + 1) = output;
    return command;
  }
};

TEST_F(UnwritableOutput, ADeviceThatIsFull) {
  WriteInput(5);
  const Outcome device = RunLockstep(CommandTo("/dev/full"));
  EXPECT_EQ(device.exit_code, 3);
  EXPECT_EQ(device.errors, "lockstep: error: /dev/full: writing failed: No space left on device\n");
  const Outcome standard = RunScript("exec \"$@\" > /dev/full", CommandTo("-"));
  EXPECT_EQ(standard.exit_code, 3);
  EXPECT_EQ(standard.errors,
            "lockstep: error: standard output: cannot be written: No space left on device\n");
}

TEST_F(UnwritableOutput, AFolderThatIsNotThere) {
  WriteInput(5);
  const Outcome run = RunLockstep(CommandTo(Path("none/out.jsonl")));
  EXPECT_EQ(run.exit_code, 3);
  EXPECT_THAT(run.errors, HasSubstr("cannot be written: No such file or directory; check that "
                                    "the folder exists and is writable"));
}

TEST_F(UnwritableOutput, TheInputIsNeverOne) {
  WriteInput(5);
  const std::string before = ReadFile(Path("in.jsonl"));
  std::filesystem::create_symlink(Path("in.jsonl"), Path("link.jsonl"));
  for (const std::string& name : {Path("in.jsonl"), Path("link.jsonl")}) {
    const Outcome run = RunLockstep(CommandTo(name));
    EXPECT_EQ(run.exit_code, 2);
    EXPECT_THAT(run.errors, HasSubstr(name + ": is the input, which the output would replace"));
  }
  const Outcome embed = RunLockstep({"embed", "--model", SourceFolder() / "models/shakespeare-neox",
                                     "--input", Path("in.jsonl"), "--output", Path("in.jsonl")});
  EXPECT_THAT(embed.errors, HasSubstr("is the input, which the output would replace"));
  EXPECT_EQ(ReadFile(Path("in.jsonl")), before);
}

}  // namespace
}  // namespace lockstep
