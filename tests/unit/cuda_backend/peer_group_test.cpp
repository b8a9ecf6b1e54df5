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
      std::string why;
      EXPECT_EQ(PeerGroup::Join(world, kPeerElements, why), nullptr);
      EXPECT_EQ(why, "more than 8 ranks");
      EXPECT_EQ(cuda_emulation::statistics().allocations, before)
          << "rank " << rank << " of " << size;
    }
}

TEST(PeerGroup, SaysWhichRankIsOnTheSameDevice) {
  RankAlike world = OneOf(2, 8);
  std::string why;
  EXPECT_EQ(PeerGroup::Join(world, kPeerElements, why), nullptr);
  EXPECT_EQ(why, "rank 2: rank 0 is on the same GPU");
}

}  // namespace
}  // namespace lockstep::cuda
