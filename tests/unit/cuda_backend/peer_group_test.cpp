#include "layers/kernels/cuda/peers/peer_group.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "lockstep_emulation/control.h"
#include "tests/support/ranks_alike.h"

namespace lockstep::cuda {
namespace {

RankAlike OneOf(int rank, int size) {
  return {rank, std::vector<std::string>(static_cast<std::size_t>(size), "node")};
}

TEST(PeerGroup, IsNotForMoreRanksThanItHasRoomFor) {
  for (const int size : {9, 16, 200})
    for (const int rank : {0, 7, 8, size - 1}) {
      RankAlike world = OneOf(rank, size);
      const std::uint64_t before = cuda_emulation::statistics().allocations;
      PeerRefusal refusal;
      EXPECT_EQ(PeerGroup::Join(world, kPeerElements, refusal), nullptr);
      EXPECT_EQ(refusal.why, "more than 8 ranks");
      EXPECT_FALSE(refusal.unexpected);
      EXPECT_EQ(cuda_emulation::statistics().allocations, before)
          << "rank " << rank << " of " << size;
    }
}

TEST(PeerGroup, SaysWhichRankIsOnTheSameDevice) {
  RankAlike world = OneOf(2, 8);
  PeerRefusal refusal;
  EXPECT_EQ(PeerGroup::Join(world, kPeerElements, refusal), nullptr);
  EXPECT_EQ(refusal.why, "rank 2: rank 0 is on the same GPU");
  EXPECT_FALSE(refusal.unexpected);
}

}  // namespace
}  // namespace lockstep::cuda
