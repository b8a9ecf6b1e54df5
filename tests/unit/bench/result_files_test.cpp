#include "bench/result_files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <filesystem>

#include "core/files/file.h"
#include "tests/support/message_of.h"
#include "tests/support/test_data.h"

namespace lockstep {
namespace {

using testing::HasSubstr;

TEST(ResultFiles, AreCheckedBeforeAnythingIsWritten) {
  const TemporaryFolder folder;
  const std::string file = folder / "a.json";
  CheckResultFiles(std::array<std::string, 3>{file, "", "-"});
  CheckResultFiles(std::array<std::string, 2>{"/dev/null", "/dev/null"});
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
  std::filesystem::create_directory(folder / "b");
  EXPECT_THAT(MessageOf([&] {
                CheckResultFiles(std::array{file, file});
              }),
              HasSubstr("a.json: two results would be written to it"));
  const std::string same = folder.path().string() + "/./b/../a.json";
  EXPECT_THAT(MessageOf([&] {
                CheckResultFiles(std::array{file, same});
              }),
              HasSubstr("a.json: two results would be written to it"));
  EXPECT_THAT(MessageOf([&] {
                CheckResultFiles(std::array{file}, std::array<std::string, 2>{"", same});
              }),
              HasSubstr("a.json: is read, and a result would replace it"));
  EXPECT_THAT(MessageOf([&] {
                CheckResultFiles(std::array<std::string, 2>{"-", "-"});
              }),
              HasSubstr("standard output: two results"));
  EXPECT_THAT(MessageOf([&] { CheckResultFiles(std::array<std::string, 1>{folder / "no/a"}); },
                        ExitCode::kEnvironment),
              HasSubstr("no/a: cannot be written"));
}

TEST(ResultFiles, ReplaceFilesAndNoDevices) {
  const TemporaryFolder folder;
  const std::string file = folder / "a.json";
  WriteResult(file, "before");
  WriteResult(file, "after");
  WriteResult("", "nowhere");
  WriteResult("/dev/null", "nowhere");
  EXPECT_EQ(ReadFile(file), "after");
  EXPECT_TRUE(std::filesystem::is_character_file("/dev/null"));
}

}  // namespace
}  // namespace lockstep
