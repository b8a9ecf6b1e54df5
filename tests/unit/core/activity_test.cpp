#include "core/activity.h"

#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <vector>

namespace lockstep {
namespace {

TEST(Activity, IsStartingUntilThereIsOne) { EXPECT_EQ(CurrentActivity(), "starting"); }

TEST(Activity, NestsAndReturnsToTheOuterOne) {
  const Activity outer("loading weights");
  EXPECT_EQ(CurrentActivity(), "loading weights");
  {
    const Activity inner("reading layer 3");
    EXPECT_EQ(CurrentActivity(), "reading layer 3");
  }
  EXPECT_EQ(CurrentActivity(), "loading weights");
}

TEST(Activity, EndsWhenAnExceptionLeavesItsScope) {
  try {
    const Activity doing("failing");
    throw 1;
  } catch (int) {
  }
  EXPECT_EQ(CurrentActivity(), "starting");
}

TEST(Activity, IsSeenByOtherThreads) {
  const Activity doing("decoding");
  std::string seen;
  std::thread([&] { seen = CurrentActivity(); }).join();
  EXPECT_EQ(seen, "decoding");
}

TEST(Activity, OfAnExceptionIsTheInnermostOneThatItEnded) {
  try {
    const Activity outer("generating");
    const Activity inner("all-reduce of layer 3");
    throw 1;
  } catch (int) {
    EXPECT_EQ(FailedActivity(), "all-reduce of layer 3");
    EXPECT_EQ(CurrentActivity(), "starting");
  }
  const Activity next("loading weights");  // something new began: the failure is over
  EXPECT_EQ(FailedActivity(), "loading weights");
}

TEST(Activity, IsToldToItsObserverAtEveryChange) {
  static std::vector<std::string> told;
  told.clear();
  ObserveActivity([](std::string_view what) { told.emplace_back(what); });
  {
    const Activity outer("a");
    const Activity inner("b");
  }
  ObserveActivity(nullptr);
  { const Activity unseen("c"); }
  EXPECT_EQ(told, (std::vector<std::string>{"starting", "a", "b", "a", "starting"}));
}

}  // namespace
}  // namespace lockstep
