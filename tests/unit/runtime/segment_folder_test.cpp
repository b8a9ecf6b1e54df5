#include "runtime/spawn/segment_folder.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

namespace lockstep {
namespace {

namespace fs = std::filesystem;

TEST(SegmentFolder, GoesWithWhatIsInIt) {
  std::string path;
  {
    const SegmentFolder folder;
    path = folder.path();
    ASSERT_TRUE(fs::is_directory(path));
    std::ofstream(path + "/segment") << "memory of a rank that was killed";
  }
  EXPECT_FALSE(fs::exists(path));
}

TEST(SegmentFolder, OfAProcessThatWasKilledGoesWithTheNext) {
  int pipe[2];
  ASSERT_EQ(::pipe(pipe), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    const SegmentFolder folder;
    std::ofstream(folder.path() + "/segment") << "memory";
    const ssize_t written = ::write(pipe[1], folder.path().data(), folder.path().size());
    ::kill(::getpid(), written > 0 ? SIGKILL : SIGTERM);
  }
  ::close(pipe[1]);
  char name[256];
  const ssize_t bytes = ::read(pipe[0], name, sizeof(name));
  ::close(pipe[0]);
  ASSERT_EQ(::waitpid(child, nullptr, 0), child);
  ASSERT_GT(bytes, 0);
  const SegmentFolder next;
  EXPECT_FALSE(fs::exists(std::string(name, static_cast<std::size_t>(bytes))));
}

TEST(SegmentFolder, OfAProcessThatLivesStays) {
  const SegmentFolder one;
  const SegmentFolder other;
  EXPECT_NE(one.path(), other.path());
  EXPECT_TRUE(fs::is_directory(one.path()));
  EXPECT_TRUE(fs::is_directory(other.path()));
}

}  // namespace
}  // namespace lockstep
