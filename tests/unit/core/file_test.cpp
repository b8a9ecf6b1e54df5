#include "core/files/file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdlib>
#include <functional>
#include <initializer_list>
#include <stdexcept>

#include <csignal>
#include <cstring>
#include <thread>
#include <vector>

#include "core/error.h"
#include "tests/support/test_data.h"

namespace lockstep {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

// Runs `action` and checks the error's code and that its message holds `part`.
template <typename Action>
void ExpectError(ExitCode code, const std::string& part, Action&& action) {
  try {
    action();
    FAIL() << "no error; expected one with \"" << part << '"';
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), code) << error.what();
    EXPECT_THAT(error.what(), HasSubstr(part));
  }
}

std::string_view Text(const MappedFile& file) {
  return {reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size()};
}

std::size_t FileCount(const std::filesystem::path& folder) {
  const auto all = std::filesystem::directory_iterator(folder);
  return static_cast<std::size_t>(std::distance(begin(all), end(all)));
}

class FileTest : public ::testing::Test {
 protected:
  TemporaryFolder folder_;
};

using ReadFileTest = FileTest;
using MappedFileTest = FileTest;
using AtomicFileTest = FileTest;

TEST_F(ReadFileTest, ReturnsAllBytes) {
  const std::string bytes("a\0b\r\n\xff", 6);
  WriteText(folder_ / "file", bytes);
  EXPECT_EQ(ReadFile(folder_ / "file"), bytes);
}

TEST_F(ReadFileTest, ReturnsNothingForAnEmptyFile) {
  WriteText(folder_ / "empty", "");
  EXPECT_EQ(ReadFile(folder_ / "empty"), "");
}

TEST_F(ReadFileTest, NamesAPathThroughAFile) {
  WriteText(folder_ / "file", "hello");
  ExpectError(ExitCode::kBadInput, (folder_ / "file" / "inside").string() + ": no such file",
              [&] { ReadFile(folder_ / "file" / "inside"); });
}

TEST_F(ReadFileTest, NamesTheMissingFile) {
  ExpectError(ExitCode::kBadInput, (folder_ / "absent").string() + ": no such file",
              [&] { ReadFile(folder_ / "absent"); });
}

TEST_F(ReadFileTest, RefusesAFolder) {
  ExpectError(ExitCode::kBadInput, "is a folder", [&] { ReadFile(folder_.path()); });
}

TEST_F(ReadFileTest, ReportsAnErrorInTheMiddleOfReading) {
  // Address 0 of a process is never mapped: opening this file works, reading it gives EIO.
  ExpectError(ExitCode::kEnvironment, "reading failed", [] { ReadFile("/proc/self/mem"); });
}

// None of them is waited for.
TEST_F(ReadFileTest, RefusesPipesSocketsAndDevices) {
  ASSERT_EQ(::mkfifo((folder_ / "pipe").c_str(), 0600), 0);
  ExpectError(ExitCode::kBadInput, "is a pipe (FIFO); expected a file",
              [&] { ReadFile(folder_ / "pipe"); });
  ExpectError(ExitCode::kBadInput, "is a pipe (FIFO)", [&] { MappedFile file(folder_ / "pipe"); });
  ExpectError(ExitCode::kBadInput, "is a device", [] { ReadFile("/dev/zero"); });
  const int listener = ::socket(AF_UNIX, SOCK_STREAM, 0);
  struct sockaddr_un address {};
  address.sun_family = AF_UNIX;
  const std::string path = folder_ / "socket";
  ASSERT_LT(path.size(), sizeof(address.sun_path));
  std::memcpy(address.sun_path, path.c_str(), path.size());
  ASSERT_EQ(::bind(listener, reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
  ExpectError(ExitCode::kBadInput, "is a socket; expected a file", [&] { ReadFile(path); });
  ExpectError(ExitCode::kBadInput, "is a socket", [&] { MappedFile file(path); });
  ::close(listener);
}

TEST_F(ReadFileTest, LeavesPipesToThoseWhoWantThem) {
  ASSERT_EQ(::mkfifo((folder_ / "pipe").c_str(), 0600), 0);
  std::thread writer([&] { WriteText(folder_ / "pipe", "through a pipe"); });
  EXPECT_EQ(ReadStream(folder_ / "pipe"), "through a pipe");
  writer.join();
}

TEST_F(FileTest, KnowsWhatExistsAndSaysWhatCannotBeKnown) {
  EXPECT_FALSE(FileExists(folder_ / "absent"));
  EXPECT_FALSE(FileExists(folder_ / "absent" / "file"));
  std::filesystem::create_symlink("nowhere", folder_ / "link");
  EXPECT_TRUE(FileExists(folder_ / "link"));
  EXPECT_FALSE(IsFolder(folder_ / "link"));
  EXPECT_TRUE(IsFolder(folder_.path()));
  ExpectError(ExitCode::kEnvironment, "cannot be inspected",
              [&] { FileExists(folder_ / std::string(300, 'x')); });
  ExpectError(ExitCode::kEnvironment, "cannot be inspected",
              [&] { IsFolder(folder_ / std::string(300, 'x')); });
}

TEST_F(MappedFileTest, ShowsTheBytes) {
  WriteText(folder_ / "file", "hello");
  const MappedFile file(folder_ / "file");
  EXPECT_EQ(Text(file), "hello");
  EXPECT_EQ(file.path(), folder_ / "file");
}

constexpr std::size_t kPages = 64;
constexpr std::size_t kPageBytes = 4096;

TEST_F(MappedFileTest, SurvivesBeingTruncatedAndTellsOfIt) {
  WriteText(folder_ / "file", std::string(kPages * kPageBytes, 'x'));
  const MappedFile file(folder_ / "file");
  const MappedFile other(folder_ / "file");
  EXPECT_NO_THROW(file.CheckIntact());
  std::filesystem::resize_file(folder_ / "file", kPageBytes);
  // In any thread, and at any of the pages that are gone.
  std::vector<std::thread> readers;
  for (std::size_t page = 1; page < kPages; page += 7)
    readers.emplace_back([&file, page] { EXPECT_EQ(Text(file)[page * kPageBytes], '\0'); });
  for (std::thread& reader : readers) reader.join();
  EXPECT_EQ(Text(file)[0], 'x');
  ExpectError(ExitCode::kEnvironment,
              "was truncated while it was read: it had 262144 bytes and has 4096 now",
              [&] { file.CheckIntact(); });
  // Back at its length, but what was read meanwhile is not what it holds.
  std::filesystem::resize_file(folder_ / "file", kPages * kPageBytes);
  ExpectError(ExitCode::kEnvironment, "part of it could not be read", [&] { file.CheckIntact(); });
  EXPECT_NO_THROW(other.CheckIntact()) << "nobody read it";
}

TEST_F(MappedFileTest, TellsOfATruncationWithinItsLastPage) {
  WriteText(folder_ / "file", std::string(100, 'x'));
  const MappedFile file(folder_ / "file");
  std::filesystem::resize_file(folder_ / "file", 60);
  ExpectError(ExitCode::kEnvironment, "it had 100 bytes and has 60 now",
              [&] { file.CheckIntact(); });
}

using MappedFileDeathTest = FileTest;

TEST_F(MappedFileDeathTest, LeavesOtherBusErrorsToEndTheProcess) {
  EXPECT_EXIT(
      {
        WriteText(folder_ / "guarded", "x");
        const MappedFile guarded(folder_ / "guarded");
        ::raise(SIGBUS);
      },
      [](int status) { return status != 0; }, "");
}

TEST_F(MappedFileTest, OfAnEmptyFileIsEmpty) {
  WriteText(folder_ / "empty", "");
  const MappedFile file(folder_ / "empty");
  EXPECT_TRUE(file.bytes().empty());
  file.Prefetch(0, 1);
  file.Release(0, 1);
}

TEST_F(MappedFileTest, KeepsItsBytesAfterTheyWereReleased) {
  const std::string bytes(100'000, 'x');
  WriteText(folder_ / "file", bytes);
  const MappedFile file(folder_ / "file");
  ASSERT_EQ(Text(file), bytes);
  file.Release(0, bytes.size());
  EXPECT_EQ(Text(file), bytes);
}

TEST_F(MappedFileTest, TakesHintsBeyondItsEnd) {
  const std::string bytes(5000, 'x');
  WriteText(folder_ / "file", bytes);
  const MappedFile file(folder_ / "file");
  for (const std::size_t offset : {std::size_t{0}, std::size_t{4999}, std::size_t{5000}, SIZE_MAX})
    for (const std::size_t length : {std::size_t{0}, std::size_t{1}, SIZE_MAX}) {
      file.Prefetch(offset, length);
      file.Release(offset, length);
    }
  EXPECT_EQ(Text(file), bytes);
}

TEST_F(MappedFileTest, OutlivesTheFilesName) {
  WriteText(folder_ / "file", "hello");
  const MappedFile file(folder_ / "file");
  std::filesystem::remove(folder_ / "file");
  EXPECT_EQ(Text(file), "hello");
}

TEST_F(MappedFileTest, NamesTheMissingFile) {
  ExpectError(ExitCode::kBadInput, (folder_ / "absent").string() + ": no such file",
              [&] { MappedFile file(folder_ / "absent"); });
}

TEST_F(MappedFileTest, RefusesWhatIsNoRegularFile) {
  ExpectError(ExitCode::kBadInput, "is a folder", [&] { MappedFile file(folder_.path()); });
  ExpectError(ExitCode::kBadInput, "is a device", [] { MappedFile file("/dev/null"); });
}

TEST_F(AtomicFileTest, ShowsTheWholeFileOnlyAfterCommit) {
  const auto path = folder_ / "out";
  AtomicFile file(path);
  file.Write("one\n");
  file.Write("two\n");
  EXPECT_FALSE(std::filesystem::exists(path));
  file.Commit();
  EXPECT_EQ(ReadFile(path), "one\ntwo\n");
  EXPECT_EQ(FileCount(folder_.path()), 1u);
}

TEST_F(AtomicFileTest, KeepsTheOldFileUntilCommit) {
  const auto path = folder_ / "out";
  WriteText(path, "old");
  AtomicFile file(path);
  file.Write(std::string(1 << 20, 'n'));  // far past any buffer: it has reached the disk
  EXPECT_EQ(ReadFile(path), "old");
  file.Commit();
  EXPECT_EQ(ReadFile(path).size(), std::size_t{1} << 20);
}

TEST_F(AtomicFileTest, LeavesNothingBehindWithoutCommit) {
  WriteText(folder_ / "out", "old");
  {
    AtomicFile file(folder_ / "out");
    file.Write("half");
  }
  EXPECT_EQ(ReadFile(folder_ / "out"), "old");
  EXPECT_EQ(FileCount(folder_.path()), 1u);
}

TEST_F(AtomicFileTest, ReplacesWhatAKilledRunLeft) {
  WriteText(folder_ / "out.writing", "a longer text of a run that was killed");
  AtomicFile file(folder_ / "out");
  file.Write("new");
  file.Commit();
  EXPECT_EQ(ReadFile(folder_ / "out"), "new");
}

TEST_F(AtomicFileTest, WritesAnEmptyFile) {
  AtomicFile file(folder_ / "out");
  file.Commit();
  EXPECT_EQ(ReadFile(folder_ / "out"), "");
}

TEST_F(AtomicFileTest, NamesTheFolderThatDoesNotExist) {
  ExpectError(ExitCode::kEnvironment, "check that the folder exists",
              [&] { AtomicFile file(folder_ / "absent/out"); });
}

TEST_F(AtomicFileTest, RefusesAFolderBeforeAnythingIsComputed) {
  std::filesystem::create_directory(folder_ / "out");
  ExpectError(ExitCode::kEnvironment, "is a folder", [&] { AtomicFile file(folder_ / "out"); });
}

// What is written lands in <path>.writing; as a link to /dev/full, every flush fails like on a
// full disk.
TEST_F(AtomicFileTest, NamesTheFileWhenTheDiskIsFullInTheMiddle) {
  const auto path = folder_ / "out";
  std::filesystem::create_symlink("/dev/full", folder_ / "out.writing");
  AtomicFile file(path);
  ExpectError(ExitCode::kEnvironment, path.string() + ": writing failed: No space left on device",
              [&] { file.Write(std::string(1 << 20, 'x')); });
  EXPECT_FALSE(std::filesystem::exists(path));
}

TEST_F(AtomicFileTest, DoesNotCommitWhenTheLastBytesFindTheDiskFull) {
  const auto path = folder_ / "out";
  WriteText(path, "old");
  {
    std::filesystem::create_symlink("/dev/full", folder_ / "out.writing");
    AtomicFile file(path);
    file.Write("x");  // stays in the buffer
    ExpectError(ExitCode::kEnvironment, "No space left on device", [&] { file.Commit(); });
  }
  EXPECT_EQ(ReadFile(path), "old");
  EXPECT_EQ(FileCount(folder_.path()), 1u);
}

TEST_F(AtomicFileTest, WritesToTheFileThatALinkLeadsTo) {
  std::filesystem::create_symlink("real", folder_ / "out");
  AtomicFile file(folder_ / "out");
  file.Write("x");
  file.Commit();
  EXPECT_TRUE(std::filesystem::is_symlink(folder_ / "out"));
  EXPECT_EQ(ReadFile(folder_ / "real"), "x");
}

TEST_F(AtomicFileTest, RefusesAPipeWhereItWouldWrite) {
  ASSERT_EQ(::mkfifo((folder_ / "out.writing").c_str(), 0600), 0);
  ExpectError(ExitCode::kEnvironment, "out.writing: is no regular file",
              [&] { AtomicFile file(folder_ / "out"); });
}

// What root may not do cannot be seen as root: another user for a while.
class AsNobody {
 public:
  AsNobody() : was_(::geteuid()) {
    if (was_ == 0 && ::seteuid(65534) != 0) throw std::runtime_error("seteuid failed");
  }
  ~AsNobody() {
    if (::seteuid(was_) != 0) std::abort();
  }

 private:
  uid_t was_;
};

TEST_F(FileTest, WhatMayNotBeSeenOrWrittenIsTheEnvironmentsWithPathAndReason) {
  const auto locked = folder_ / "locked";
  std::filesystem::create_directory(locked);
  WriteText(locked / "file", "x");
  WriteText(folder_ / "read_only", "x");
  std::filesystem::permissions(folder_.path(), std::filesystem::perms(0777));
  std::filesystem::permissions(folder_ / "read_only", std::filesystem::perms(0444));
  std::filesystem::permissions(locked, std::filesystem::perms(0));
  {
    const AsNobody nobody;
    const auto file = locked / "file";
    const std::string name = file.string();
    for (const auto& look : std::initializer_list<std::function<void()>>{
             [&] { FileExists(file); }, [&] { IsFolder(file); }, [&] { IsRegularFile(file); },
             [&] { ReadFile(file); }, [&] { MappedFile mapped(file); },
             [&] { AtomicFile written(file); }})
      ExpectError(ExitCode::kEnvironment, "Permission denied", look);
    ExpectError(ExitCode::kEnvironment, locked.string() + ": cannot be listed: Permission denied",
                [&] { NamesIn(locked); });
    ExpectError(ExitCode::kEnvironment, "read_only: cannot be written: Permission denied",
                [&] { AtomicFile written(folder_ / "read_only"); });
  }
  std::filesystem::permissions(locked, std::filesystem::perms(0700));
}

}  // namespace
}  // namespace lockstep
