#include "layers/kernels/cuda/peers/peer_group.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <string>

#include "lockstep_emulation/control.h"

namespace lockstep::cuda {
namespace {

// One rank of several on one host, whose peers say what it says.
class OneOf final : public Communicator {
 public:
  OneOf(int rank, int size) : rank_(rank), size_(size) {}

  int rank() const override { return rank_; }
  int size() const override { return size_; }
  std::string host(int) const override { return "node"; }
  void AllReduceSum(const TensorView&, Stream) override {}
  std::vector<Bytes> AllGather(std::span<const std::byte> mine) override {
    return std::vector<Bytes>(static_cast<std::size_t>(size_), Bytes(mine.begin(), mine.end()));
  }
  std::vector<Bytes> Gather(std::span<const std::byte> mine) override { return AllGather(mine); }
  void Broadcast(Bytes&) override {}
  void Barrier() override {}
  [[noreturn]] void Abort(int exit_code) override { std::exit(exit_code); }

 private:
  int rank_;
  int size_;
};

TEST(PeerGroup, IsNotForMoreRanksThanItHasRoomFor) {
  for (const int size : {9, 16, 200})
    for (const int rank : {0, 7, 8, size - 1}) {
      OneOf world(rank, size);
      const std::uint64_t before = cuda_emulation::statistics().allocations;
      std::string why;
      EXPECT_EQ(PeerGroup::Join(world, kPeerElements, why), nullptr);
      EXPECT_EQ(why, "more than 8 ranks");
      EXPECT_EQ(cuda_emulation::statistics().allocations, before)
          << "rank " << rank << " of " << size;
    }
}

TEST(PeerGroup, SaysWhichRankIsOnTheSameDevice) {
  OneOf world(2, 8);
  std::string why;
  EXPECT_EQ(PeerGroup::Join(world, kPeerElements, why), nullptr);
  EXPECT_EQ(why, "rank 2: rank 0 is on the same GPU");
}

}  // namespace
}  // namespace lockstep::cuda
