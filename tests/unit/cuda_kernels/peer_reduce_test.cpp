// The all-reduce over peers' memory. The ranks are one process here and take turns, phase by phase,
// so that none waits for a rank that is not running; the flags and the waiting code are the same.
#include "comm/communicator.h"
#include "core/error.h"
#include "peer_world.h"

namespace lockstep::cuda {
namespace {

// The documented order.
float TreeSum(const std::vector<Floats>& messages, std::size_t i) {
  Floats values;
  for (const Floats& message : messages) values.push_back(message[i]);
  return SumTree(values);
}

class PeerKernels : public KernelTest {};

TEST_P(PeerKernels, EveryRankHasTheSumInTheOrderOfTheTree) {
  for (const int rank_count : {1, 3, 5, 8})
    for (const PeerShots shots : {PeerShots::kOne, PeerShots::kTwo})
      for (const DType element : {type(), DType::kF32}) {
        if (rank_count >= 5 && element == DType::kF32) continue;  // minutes, and nothing new
        PeerWorld world(rank_count, element, stream_);
        // Several in a row, so that both buffers are used again; one not of whole vectors.
        for (const std::int64_t count : {77, 1200, 640}) {
          std::vector<Floats> messages;
          for (int rank = 0; rank < rank_count; ++rank)
            messages.push_back(Rounded(element, random_.Values(count)));
          Floats expected;
          for (std::size_t i = 0; i < static_cast<std::size_t>(count); ++i)
            expected.push_back(TreeSum(messages, i));
          world.Reduce(messages, shots);
          for (const Floats& message : messages)
            ASSERT_EQ(message, Rounded(element, expected)) << rank_count << " ranks, " << count;
        }
      }
}

// A launch of all phases by itself can only be run with peers elsewhere, or without any.
TEST_P(PeerKernels, OneRankAloneKeepsItsMessage) {
  const PeerWorld world(1, type(), stream_);
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
  const PeerWorld world(2, type(), stream_);
  PeerReduceArgs args = world.ArgsOf(1);
  args.count = kPeerStaging + 1;
  EXPECT_THROW(PeerReduce(args, PeerShots::kOne, PeerPhase::kWhole, stream_), Error);
}

// The report of a kernel of rank 0 that has given up a sum.
struct Report {
  explicit Report(const PeerStatus& status)
      : fault(static_cast<PeerFault>(status.report >> 40)),
        peer(static_cast<int>(status.report >> 32 & 0xff)),
        count(static_cast<std::int64_t>(status.report & 0xffffffff)) {}
  PeerFault fault;
  int peer;
  std::int64_t count;
};

// A peer that never comes does not keep the device: nor does any later sum wait for it again.
TEST_P(PeerKernels, GiveUpAPeerThatDoesNotCome) {
  const PeerWorld world(3, type(), stream_);
  const Device<std::uint16_t> x(std::vector<std::uint16_t>(64, 0));
  PeerReduceArgs args = world.ArgsOf(0);
  args.x = x.data();
  args.count = 64;
  PeerReduceArgs second = world.ArgsOf(1);
  second.x = x.data();
  second.count = 64;
  PeerReduce(second, PeerShots::kOne, PeerPhase::kPublish, stream_);
  PeerReduce(args, PeerShots::kOne, PeerPhase::kWhole, stream_);
  CheckCuda(cudaStreamSynchronize(stream_), "sum");
  const Report report(world.status());
  EXPECT_EQ(report.fault, PeerFault::kLate);
  EXPECT_EQ(report.peer, 2);
  args.spins = std::int64_t{1} << 60;
  PeerReduce(args, PeerShots::kTwo, stream_);
  CheckCuda(cudaStreamSynchronize(stream_), "the next sum");
}

TEST_P(PeerKernels, GiveUpWhenTheHostSaysSo) {
  const PeerWorld world(2, type(), stream_);
  const Device<std::uint16_t> x(std::vector<std::uint16_t>(64, 0));
  PeerReduceArgs args = world.ArgsOf(0);
  args.x = x.data();
  args.count = 64;
  args.spins = std::int64_t{1} << 60;
  world.status().give_up = 1;
  PeerReduce(args, PeerShots::kOne, PeerPhase::kWhole, stream_);
  CheckCuda(cudaStreamSynchronize(stream_), "sum");
  EXPECT_EQ(Report(world.status()).fault, PeerFault::kToldTo);
}

TEST_P(PeerKernels, NoticeAPeerThatAddsAnotherNumberOfValues) {
  const PeerWorld world(2, type(), stream_);
  const Device<std::uint16_t> x(std::vector<std::uint16_t>(64, 0));
  PeerReduceArgs args = world.ArgsOf(1);
  args.x = x.data();
  args.count = 40;
  PeerReduce(args, PeerShots::kOne, PeerPhase::kPublish, stream_);
  args = world.ArgsOf(0);
  args.x = x.data();
  args.count = 64;
  PeerReduce(args, PeerShots::kOne, PeerPhase::kWhole, stream_);
  CheckCuda(cudaStreamSynchronize(stream_), "sum");
  const Report report(world.status());
  EXPECT_EQ(report.fault, PeerFault::kOtherSize);
  EXPECT_EQ(report.peer, 1);
  EXPECT_EQ(report.count, 40);
}

INSTANTIATE_TEST_SUITE_P(Kernels, PeerKernels, KernelCases(), KernelCaseName);

}  // namespace
}  // namespace lockstep::cuda
