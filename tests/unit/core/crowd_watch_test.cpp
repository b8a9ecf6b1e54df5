#include "core/threads/crowd_watch.h"

#include <gtest/gtest.h>

#include <thread>

#include "core/threads/affinity.h"

namespace lockstep {
namespace {

using Advice = CrowdWatch::Advice;
constexpr std::int64_t kWatchSecond = 1'000'000'000;

// A thread with a clock of its own that looks four times a second.
struct Watched {
  CrowdWatch watch;
  std::int64_t now = 5 * kWatchSecond;
  std::int64_t waited = kWatchSecond;

  // Of which it waits so many milliseconds for a core.
  Advice Quarter(std::int64_t milliseconds) {
    now += kWatchSecond / 4;
    waited += milliseconds * kWatchSecond / 1000;
    return watch.Look(now, waited);
  }
  // Quarters until it returns home, waiting so long in each.
  int QuartersAway(std::int64_t milliseconds) {
    int count = 1;
    while (Quarter(milliseconds) != Advice::kReturn && count < 10'000) ++count;
    return count;
  }
};

TEST(CrowdWatch, StaysWhereItsCoreIsRarelyTaken) {
  Watched thread;
  for (int i = 0; i < 100; ++i) EXPECT_EQ(thread.Quarter(10), Advice::kNone);
}

TEST(CrowdWatch, TheFirstLookSaysNothing) {
  Watched thread;
  EXPECT_EQ(thread.Quarter(5000), Advice::kNone) << "they are of the time before";
}

TEST(CrowdWatch, LeavesACrowdedCoreAndTriesItAgain) {
  Watched thread;
  thread.Quarter(0);
  EXPECT_EQ(thread.Quarter(125), Advice::kLeave);
  EXPECT_GT(thread.QuartersAway(0), 4);
  EXPECT_EQ(thread.Quarter(10), Advice::kNone) << "it stays where it is quiet again";
}

TEST(CrowdWatch, TriesEverMoreRarelyWhatIsStillTaken) {
  Watched thread;
  thread.Quarter(0);
  int before = 0;
  for (int i = 0; i < 4; ++i) {
    ASSERT_EQ(thread.Quarter(125), Advice::kLeave) << i;
    const int away = thread.QuartersAway(0);
    EXPECT_GT(away, before) << i;
    before = away;
  }
  for (int i = 0; i < 20; ++i) {
    ASSERT_EQ(thread.Quarter(125), Advice::kLeave) << i;
    EXPECT_LE(thread.QuartersAway(0), 64 * 4) << "or it would never come back";
  }
}

TEST(CrowdWatch, ForgetsAnOldCrowd) {
  Watched thread;
  thread.Quarter(0);
  ASSERT_EQ(thread.Quarter(125), Advice::kLeave);
  const int first = thread.QuartersAway(0);
  for (int i = 0; i < 100; ++i) ASSERT_EQ(thread.Quarter(0), Advice::kNone);
  ASSERT_EQ(thread.Quarter(125), Advice::kLeave);
  EXPECT_EQ(thread.QuartersAway(0), first);
}

TEST(RoamWhereCrowded, ChangesNothingWithoutACrowd) {
  std::thread([] {
    const std::vector<int> all = AllowedCores();
    BindThisThread(all.front());
    AllowRoaming(all);
    EXPECT_FALSE(RoamWhereCrowded());
    EXPECT_EQ(AllowedCores(), std::vector<int>{all.front()});
    AllowRoaming({});
    EXPECT_FALSE(RoamWhereCrowded());
    EXPECT_EQ(AllowedCores(), std::vector<int>{all.front()});
  }).join();
}

}  // namespace
}  // namespace lockstep
