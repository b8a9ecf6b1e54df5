#include "comm/watchdog.h"

#include <gtest/gtest.h>

#include <chrono>
#include <thread>

namespace lockstep {
namespace {

TEST(WatchdogDeathTest, EndsAProcessThatHangsAndSaysWhy) {
  ::testing::GTEST_FLAG(death_test_style) = "threadsafe";
  EXPECT_EXIT(
      {
        const Watchdog watchdog(0.05, {4, [] { return "joining the world took too long"; }});
        std::this_thread::sleep_for(std::chrono::minutes(5));
      },
      ::testing::ExitedWithCode(4), "joining the world took too long");
}

TEST(Watchdog, LetsAProcessLiveThatIsInTime) {
  for (int i = 0; i < 20; ++i) {
    const Watchdog watchdog(600, {4, [] { return "never"; }});
  }
}

}  // namespace
}  // namespace lockstep
