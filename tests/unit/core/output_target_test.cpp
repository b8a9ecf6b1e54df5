#include "core/files/output_target.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <iostream>

#include "core/error.h"
#include "tests/support/message_of.h"
#include "tests/support/test_data.h"

namespace lockstep {
namespace {

TEST(CheckWritable, LeavesNothingBehind) {
  const TemporaryFolder folder;
  CheckWritable(folder / "out.jsonl");
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
}

TEST(IsSameFile, LooksWhereNamesLeadAndNotHowTheyAreWritten) {
  const TemporaryFolder folder;
  const std::string file = folder / "a", link = folder / "b";
  const std::string around = folder.path().string() + "/./x/../a";
  EXPECT_TRUE(IsSameFile(file, around)) << "also of what is not there yet";
  EXPECT_FALSE(IsSameFile(file, link));
  WriteText(file, "a");
  std::filesystem::create_hard_link(file, link);
  EXPECT_TRUE(IsSameFile(file, link));
  std::filesystem::create_symlink(file, folder / "c");
  EXPECT_TRUE(IsSameFile(folder / "c", file));
  for (const char* shared : {"-", "", "/dev/null"}) EXPECT_FALSE(IsSameFile(shared, shared));
}

TEST(CheckWritable, RefusesFoldersAndPlacesThatAreNot) {
  const TemporaryFolder folder;
  EXPECT_EQ(MessageOf([&] { CheckWritable(folder.path()); }, ExitCode::kEnvironment),
            folder.path().string() + ": is a folder; expected a file to write");
  EXPECT_THAT(MessageOf([&] { CheckWritable(folder / "no/such/out"); }, ExitCode::kEnvironment),
              testing::HasSubstr("no/such/out: cannot be written"));
}

// Its reader would take that for the end of what it waits for; and without a reader it would wait.
TEST(CheckWritable, DoesNotOpenAPipe) {
  const TemporaryFolder folder;
  const auto pipe = folder / "pipe";
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  CheckWritable(pipe);
  EXPECT_TRUE(std::filesystem::is_fifo(pipe));
  EXPECT_FALSE(IsAtomicTarget(pipe));
}

// What root may not do cannot be seen as root.
void CheckAsNobody(const std::string& path) {
  if (::geteuid() == 0 && ::setuid(65534) != 0) std::exit(9);
  try {
    CheckWritable(path);
  } catch (const Error& error) {
    std::cerr << error.what();
    std::exit(static_cast<int>(error.code()));
  }
  std::exit(0);
}

TEST(CheckWritable, RefusesDevicesThatMayOnlyBeRead) {
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  const TemporaryFolder folder;
  const auto pipe = folder / "pipe";
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0444), 0);
  std::filesystem::permissions(folder.path(), std::filesystem::perms(0755));
  EXPECT_EXIT(CheckAsNobody(pipe), testing::ExitedWithCode(3), "pipe: cannot be written");
  EXPECT_EXIT(CheckAsNobody("/dev/null"), testing::ExitedWithCode(0), "");
}

}  // namespace
}  // namespace lockstep
