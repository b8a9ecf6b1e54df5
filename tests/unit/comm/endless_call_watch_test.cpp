#include "comm/peers/endless_call_watch.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <thread>

namespace lockstep {
namespace {

using Clock = std::chrono::steady_clock;

std::string Why() { return "MPI does not return"; }

void ComputeForEver() {
  for (std::atomic<int> round = 0;;) ++round;
}

TEST(EndlessCallWatchDeathTest, EndsAProcessWhoseCallGoesRoundForEver) {
  ::testing::GTEST_FLAG(death_test_style) = "threadsafe";
  EXPECT_EXIT(
      {
        const EndlessCallWatch watch(0.05, Why);
        for (int i = 0; i < 1000; ++i) const WatchedCall quick;
        const WatchedCall call;
        ComputeForEver();
      },
      ::testing::ExitedWithCode(4), "MPI does not return");
}

// The call is made on another thread than the one that has made the watch.
TEST(EndlessCallWatchDeathTest, LooksAtTheThreadThatMakesTheCall) {
  ::testing::GTEST_FLAG(death_test_style) = "threadsafe";
  EXPECT_EXIT(
      {
        const EndlessCallWatch watch(0.05, Why);
        std::thread([] {
          const WatchedCall call;
          ComputeForEver();
        }).join();
      },
      ::testing::ExitedWithCode(4), "MPI does not return");
}

TEST(EndlessCallWatch, LetsCallsWaitAndComputeAsOftenAsTheyLike) {
  constexpr double kSeconds = 0.05;
  const EndlessCallWatch watch(kSeconds, Why);
  {
    // As on a machine that has no time for it.
    const WatchedCall call;
    std::this_thread::sleep_for(std::chrono::duration<double>(6 * kSeconds));
  }
  const auto end = Clock::now() + std::chrono::duration<double>(6 * kSeconds);
  while (Clock::now() < end) const WatchedCall call;
}

}  // namespace
}  // namespace lockstep
