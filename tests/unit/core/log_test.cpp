#include "core/log.h"

#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <vector>

namespace lockstep {
namespace {

// What `action` writes to stderr; level and rank are set back afterwards.
template <typename Action>
std::string Logged(Action&& action) {
  ::testing::internal::CaptureStderr();
  action();
  SetLogLevel(LogLevel::kInfo);
  SetLogRank(0, 1);
  return ::testing::internal::GetCapturedStderr();
}

TEST(Log, MarksErrorsAndWarnings) {
  EXPECT_EQ(Logged([] { LogInfo("{} layers", 3); }), "lockstep: 3 layers\n");
  EXPECT_EQ(Logged([] { LogWarning("slow"); }), "lockstep: warning: slow\n");
  EXPECT_EQ(Logged([] { LogError("gone"); }), "lockstep: error: gone\n");
}

TEST(Log, NamesTheRankOnlyInAWorldOfSeveral) {
  EXPECT_EQ(Logged([] {
              SetLogRank(2, 3);
              LogInfo("hello");
            }),
            "lockstep[rank 2]: hello\n");
  EXPECT_EQ(Logged([] {
              SetLogRank(0, 1);
              LogInfo("hello");
            }),
            "lockstep: hello\n");
}

TEST(Log, DropsWhatIsBelowItsLevel) {
  EXPECT_EQ(Logged([] { WriteLog(LogLevel::kDebug, "detail"); }), "");
  EXPECT_EQ(Logged([] {
              SetLogLevel(LogLevel::kError);
              LogInfo("a");
              LogWarning("b");
              LogError("c");
            }),
            "lockstep: error: c\n");
  EXPECT_EQ(Logged([] {
              SetLogLevel(LogLevel::kDebug);
              WriteLog(LogLevel::kDebug, "detail");
            }),
            "lockstep: detail\n");
}

TEST(Log, DoesNotTearLinesOfSeveralThreads) {
  const std::string long_line(500, 'x');
  const std::string logged = Logged([&] {
    std::vector<std::thread> writers;
    for (int writer = 0; writer < 4; ++writer)
      writers.emplace_back([&] {
        for (int line = 0; line < 50; ++line) LogInfo("{}", long_line);
      });
    for (std::thread& writer : writers) writer.join();
  });
  std::string expected;
  for (int line = 0; line < 200; ++line) expected += "lockstep: " + long_line + "\n";
  EXPECT_EQ(logged, expected);
}

}  // namespace
}  // namespace lockstep
