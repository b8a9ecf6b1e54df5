// The all-reduce over peers' memory. The ranks are one process here and take turns, phase by phase,
// so that none waits for a rank that is not running; the flags and the waiting code are the same.
#include "comm/communicator.h"
#include "core/error.h"
#include "kernel_fixture.h"

namespace lockstep::cuda {
namespace {

constexpr std::int64_t kStaging = 1200;

// One rank's memory, and its message.
struct Rank {
  explicit Rank(DType type)
      : flags(std::vector<std::uint64_t>(kPeerFlags, 0)),
        epochs(std::vector<std::uint32_t>(kPeerBlocks + 1, 0)),
        staging(kStaging * SizeOf(type)),  // two buffers, in 16 bits
        reduced(kStaging * SizeOf(type)) {}

  Device<std::uint64_t> flags;
  Device<std::uint32_t> epochs;
  Device<std::uint16_t> staging, reduced;
};

class World {
 public:
  World(int count, DType type, cudaStream_t stream) : type_(type), stream_(stream) {
    void* status = nullptr;
    CheckCuda(cudaMallocHost(&status, sizeof(PeerStatus)), "cudaMallocHost");
    status_ = new (status) PeerStatus;
    for (int rank = 0; rank < count; ++rank) ranks_.push_back(std::make_unique<Rank>(type));
  }

  ~World() { (void)cudaFreeHost(status_); }
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  PeerStatus& status() const { return *status_; }

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
                        .rank_count = static_cast<int>(ranks_.size()),
                        .status = status_,
                        .spins = 1000};
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
  PeerStatus* status_ = nullptr;  // of whatever rank waits
  std::vector<std::unique_ptr<Rank>> ranks_;
};

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
        World world(rank_count, element, stream_);
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
  const World world(3, type(), stream_);
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
  const World world(2, type(), stream_);
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
  const World world(2, type(), stream_);
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
