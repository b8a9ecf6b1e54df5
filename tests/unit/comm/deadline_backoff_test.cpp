#include "comm/deadline_backoff.h"

#include <gtest/gtest.h>

namespace lockstep {
namespace {

using Cores = DeadlineBackoff::Cores;

int SleepsIn(DeadlineBackoff& backoff, int pauses) {
  int sleeps = 0;
  for (int i = 0; i < pauses; ++i) backoff.Pause([&] { ++sleeps; });
  return sleeps;
}

TEST(DeadlineBackoff, SleepsAtOnceWhereCoresAreShared) {
  DeadlineBackoff backoff(60, Cores::kShared);
  backoff.Restart();
  EXPECT_EQ(SleepsIn(backoff, 3), 3);
}

TEST(DeadlineBackoff, SpinsAsLongAsItIsTold) {
  DeadlineBackoff backoff(60, Cores::kEnough);
  backoff.set_spin_seconds(1000);
  backoff.Restart();
  EXPECT_EQ(SleepsIn(backoff, 100), 0);
  backoff.set_spin_seconds(0);
  EXPECT_EQ(SleepsIn(backoff, 3), 3);
}

TEST(DeadlineBackoff, NapsLongerTheLongerItHasWaited) {
  const long first = DeadlineBackoff::NapNanoseconds(0);
  EXPECT_GT(first, 0);
  EXPECT_EQ(DeadlineBackoff::NapNanoseconds(1e-3), first);
  EXPECT_GT(DeadlineBackoff::NapNanoseconds(0.1), first);
  for (const double waited : {0.01, 0.1, 1.0})
    EXPECT_LE(static_cast<double>(DeadlineBackoff::NapNanoseconds(waited)), 1e9 * waited / 100);
  EXPECT_EQ(DeadlineBackoff::NapNanoseconds(1), DeadlineBackoff::NapNanoseconds(1000));
}

TEST(DeadlineBackoff, ARestartKeepsTheDeadline) {
  DeadlineBackoff backoff(1e-9, Cores::kShared);
  while (!backoff.expired()) backoff.Pause();
  const double waited = backoff.waited_seconds();
  backoff.Restart();
  EXPECT_TRUE(backoff.expired());
  EXPECT_EQ(backoff.waited_seconds(), waited);
  EXPECT_EQ(backoff.since_restart_seconds(), 0);
}

}  // namespace
}  // namespace lockstep
