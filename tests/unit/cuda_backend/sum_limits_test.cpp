#include "layers/kernels/cuda/peers/sum_limits.h"

#include <gtest/gtest.h>

#include <vector>

namespace lockstep::cuda {
namespace {

// Latencies in seconds and bandwidths in bytes per second.
struct Machine {
  double exchange = 0, link = 0, nccl = 0, nccl_link = 0;
};

std::vector<SumTimes> TimesOf(const Machine& machine, int ranks) {
  std::vector<SumTimes> times;
  for (const std::int64_t elements : {4096, 16384, 65536, 262144, 524288}) {
    const auto bytes = static_cast<double>(elements) * 4;
    times.push_back({elements, machine.exchange + bytes * (ranks - 1) / machine.link,
                     2 * machine.exchange + bytes * 2 * (ranks - 1) / ranks / machine.link,
                     machine.nccl > 0 ? machine.nccl + bytes * 2 / machine.nccl_link : 0});
  }
  return times;
}

TEST(SumLimits, NvlinkAddsAllThroughPeersMemory) {
  EXPECT_EQ(LimitsOf(TimesOf({2e-6, 300e9, 12e-6, 300e9}, 2)), (SumLimits{524288, 524288}));
  EXPECT_EQ(LimitsOf(TimesOf({2e-6, 300e9, 12e-6, 300e9}, 8)).peers, 524288);
  EXPECT_EQ(LimitsOf(TimesOf({2e-6, 300e9, 12e-6, 300e9}, 8)).one_shot, 16384);
}

TEST(SumLimits, SlowLinksLeaveLargeSumsToNccl) {
  // A switch of PCIe that is slow between peers, and memory of the host that is not.
  const SumLimits limits = LimitsOf(TimesOf({5e-6, 3e9, 30e-6, 12e9}, 4));
  EXPECT_EQ(limits.peers, 16384);
  EXPECT_EQ(limits.one_shot, 0);
}

TEST(SumLimits, PeersThatAreSlowerThroughoutAreNotUsed) {
  EXPECT_EQ(LimitsOf(TimesOf({90e-6, 1e9, 20e-6, 12e9}, 2)), (SumLimits{0, 0}));
}

TEST(SumLimits, ALittleMoreOrLessChangesNothing) {
  for (const double noise : {0.8, 1.0, 1.2}) {
    auto times = TimesOf({2e-6, 300e9, 3e-6, 300e9}, 2);
    for (SumTimes& time : times) time.nccl *= noise;
    EXPECT_EQ(LimitsOf(times).peers, 524288) << noise;
  }
}

TEST(SumLimits, WithoutNcclAllIsAddedThroughPeersMemory) {
  EXPECT_EQ(LimitsOf(TimesOf({90e-6, 1e9, 0, 0}, 2)).peers, 524288);
}

}  // namespace
}  // namespace lockstep::cuda
