// The all-reduce over peers' memory. The ranks are one process here and take turns, phase by phase,
// so that none waits for a rank that is not running; the flags and the waiting code are the same.
#include <bit>

#include "core/error.h"
#include "kernel_fixture.h"

namespace lockstep::cuda {
namespace {

constexpr std::int64_t kStaging = 1200;

// One rank's memory, and its message.
struct Rank {
  explicit Rank(DType type)
      : flags(std::vector<std::uint32_t>(kPeerFlagPhases * kPeerBlocks * kMaxPeers, 0)),
        epochs(std::vector<std::uint32_t>(kPeerBlocks, 0)),
        staging(kStaging * SizeOf(type)),  // two buffers, in 16 bits
        reduced(kStaging * SizeOf(type)) {}

  Device<std::uint32_t> flags, epochs;
  Device<std::uint16_t> staging, reduced;
};

class World {
 public:
  World(int count, DType type, cudaStream_t stream) : type_(type), stream_(stream) {
    for (int rank = 0; rank < count; ++rank) ranks_.push_back(std::make_unique<Rank>(type));
  }

  // Sums the messages in place.
  void Reduce(std::vector<Floats>& messages, PeerShots shots) {
    std::vector<std::unique_ptr<Device<std::uint16_t>>> x;
    for (const Floats& message : messages)
      x.push_back(std::make_unique<Device<std::uint16_t>>(Pack(type_, message)));
    for (const PeerPhase phase : {PeerPhase::kPublish, PeerPhase::kSum, PeerPhase::kCollect})
      for (std::size_t rank = 0; rank < ranks_.size(); ++rank) {
        PeerReduceArgs args = ArgsOf(static_cast<int>(rank));
        args.x = x[rank]->data();
        args.count = static_cast<std::int64_t>(messages[rank].size());
        PeerReduce(args, shots, phase, stream_);
      }
    for (std::size_t rank = 0; rank < ranks_.size(); ++rank)
      messages[rank] = Unpack(type_, x[rank]->Values());
  }

  PeerReduceArgs ArgsOf(int rank) const {
    PeerReduceArgs args{.type = type_,
                        .staging_elements = kStaging,
                        .rank = rank,
                        .rank_count = static_cast<int>(ranks_.size())};
    for (std::size_t peer = 0; peer < ranks_.size(); ++peer) {
      const Rank& one = *ranks_[peer];
      args.peers[peer] = {one.flags.data(),
                          static_cast<int>(peer) == rank ? one.epochs.data() : nullptr,
                          one.staging.data(), one.reduced.data()};
    }
    return args;
  }

 private:
  DType type_;
  cudaStream_t stream_;
  std::vector<std::unique_ptr<Rank>> ranks_;
};

// The documented order: a balanced tree over the ranks.
float TreeSum(const std::vector<Floats>& messages, std::size_t i, std::size_t first,
              std::size_t count) {
  if (count == 1) return messages[first][i];
  const std::size_t left = std::bit_floor(count - 1);
  return TreeSum(messages, i, first, left) + TreeSum(messages, i, first + left, count - left);
}

class PeerKernels : public KernelTest {};

TEST_P(PeerKernels, EveryRankHasTheSumInTheOrderOfTheTree) {
  for (const int rank_count : {1, 3, 8})
    for (const PeerShots shots : {PeerShots::kOne, PeerShots::kTwo})
      for (const DType element : {type(), DType::kF32}) {
        if (rank_count == 8 && element == DType::kF32) continue;  // minutes, and nothing new
        World world(rank_count, element, stream_);
        // Several in a row, so that both buffers are used again; one not of whole vectors.
        for (const std::int64_t count : {77, 1200, 640}) {
          std::vector<Floats> messages;
          for (int rank = 0; rank < rank_count; ++rank)
            messages.push_back(Rounded(element, random_.Values(count)));
          Floats expected;
          for (std::size_t i = 0; i < static_cast<std::size_t>(count); ++i)
            expected.push_back(TreeSum(messages, i, 0, messages.size()));
          world.Reduce(messages, shots);
          for (const Floats& message : messages)
            ASSERT_EQ(message, Rounded(element, expected)) << rank_count << " ranks, " << count;
        }
      }
}

// A launch of all phases by itself can only be run with peers elsewhere, or without any.
TEST_P(PeerKernels, OneRankAloneKeepsItsMessage) {
  const World world(1, type(), stream_);
  const Floats message = Rounded(type(), random_.Values(100));
  const Device<std::uint16_t> x(Pack(type(), message));
  for (const PeerShots shots : {PeerShots::kOne, PeerShots::kTwo, PeerShots::kOne}) {
    PeerReduceArgs args = world.ArgsOf(0);
    args.x = x.data();
    args.count = 100;
    PeerReduce(args, shots, PeerPhase::kWhole, stream_);
    EXPECT_EQ(Unpack(type(), x.Values()), message);
  }
}

TEST_P(PeerKernels, RefuseMessagesLargerThanTheirMemory) {
  const World world(2, type(), stream_);
  PeerReduceArgs args = world.ArgsOf(1);
  args.count = kStaging + 1;
  EXPECT_THROW(PeerReduce(args, PeerShots::kOne, PeerPhase::kWhole, stream_), Error);
}

INSTANTIATE_TEST_SUITE_P(Emulated, PeerKernels, KernelCases(), KernelCaseName);

}  // namespace
}  // namespace lockstep::cuda
