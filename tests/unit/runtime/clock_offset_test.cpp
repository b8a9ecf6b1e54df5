// Clocks of hosts that differ, on ranks that are threads.
#include "runtime/tracing/clock_offset.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "core/timing/phases.h"
#include "tests/unit/comm/shared_ranks.h"

namespace lockstep {
namespace {

using ::testing::Each;
using testing::RunSharedRanks;

constexpr std::int64_t kAhead = 3'600'000'000'000;  // of each rank's clock to the one before

std::int64_t ClockOf(int rank) { return SteadyNanoseconds() + kAhead * rank; }

TEST(ClockOffsets, AreFoundWithinTheirBounds) {
  std::vector<ClockOffset> found;
  const auto errors =
      RunSharedRanks(3,
                     [&](ControlPlane& comm) {
                       auto mine = CompareClocks(comm, [&] { return ClockOf(comm.rank()); });
                       if (comm.rank() == 0)
                         found = std::move(mine);
                       else
                         EXPECT_TRUE(mine.empty());
                     },
                     {"here", "there", "yonder"});
  EXPECT_THAT(errors, Each(""));
  ASSERT_EQ(found.size(), 3u);
  EXPECT_EQ(found[0].offset, 0);
  EXPECT_EQ(found[0].bound, 0);
  for (int rank = 1; rank < 3; ++rank) {
    const ClockOffset& one = found[static_cast<std::size_t>(rank)];
    EXPECT_GT(one.bound, 0) << rank;
    EXPECT_LE(std::abs(one.offset - kAhead * rank), one.bound) << rank;
    EXPECT_LE(std::abs(one.at - ClockOf(rank)), kAhead / 2) << rank << ": of its own clock";
  }
}

TEST(ClockOffsets, AreNothingOnOneHost) {
  std::vector<ClockOffset> found;
  const auto errors = RunSharedRanks(2, [&](ControlPlane& comm) {
    auto mine = CompareClocks(comm, SteadyNanoseconds);
    if (comm.rank() == 0) found = std::move(mine);
  });
  EXPECT_THAT(errors, Each(""));
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(found[1].offset, 0);
  EXPECT_EQ(found[1].bound, 0);
}

TEST(ClockDrift, LiesBetweenWhatWasBeforeAndAfter) {
  const ClockDrift drift{.before = {.at = 1000, .offset = 100, .bound = 3},
                         .after = {.at = 3000, .offset = 140, .bound = 2}};
  EXPECT_EQ(drift.ToRank0(1000), 900);
  EXPECT_EQ(drift.ToRank0(2000), 2000 - 120);
  EXPECT_EQ(drift.ToRank0(3000), 3000 - 140);
  EXPECT_EQ(drift.bound(), 3);
  const ClockDrift at_once{.before = {.at = 7, .offset = 2}, .after = {.at = 7, .offset = 2}};
  EXPECT_EQ(at_once.ToRank0(9), 7);
}

}  // namespace
}  // namespace lockstep
