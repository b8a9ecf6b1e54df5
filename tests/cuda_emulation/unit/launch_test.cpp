#include <gmock/gmock.h>

#include <numeric>

#include "basic_kernels.h"
#include "fixture.h"

namespace lockstep::cuda_emulation {
namespace {

// The same results are due in every order of threads under every stream policy.
class InEveryOrder : public EmulationTest,
                     public ::testing::WithParamInterface<std::tuple<ThreadOrder, StreamPolicy>> {
 protected:
  InEveryOrder() {
    settings().thread_order = std::get<0>(GetParam());
    settings().stream_policy = std::get<1>(GetParam());
    Reseed(7);
  }
};

INSTANTIATE_TEST_SUITE_P(
    Launch, InEveryOrder,
    ::testing::Combine(
        ::testing::Values(ThreadOrder::kForward, ThreadOrder::kReverse, ThreadOrder::kShuffled),
        ::testing::Values(StreamPolicy::kEager, StreamPolicy::kLazy, StreamPolicy::kRandom)));

TEST_P(InEveryOrder, KernelsOfOneStreamSeeEachOthersResults) {
  const TestStream stream;
  const DeviceBuffer<float> x(300), y(300);
  EXPECT_CUDA(Fill(x.get(), 1.0f, 300, stream));
  EXPECT_CUDA(Fill(y.get(), 2.0f, 300, stream));
  EXPECT_CUDA(AddTo(x.get(), y.get(), 300, stream));
  EXPECT_CUDA(cudaStreamSynchronize(stream));
  EXPECT_THAT(y.ToHost(), ::testing::Each(3.0f));
}

TEST_P(InEveryOrder, SharedMemoryAndShufflesSumABlock) {
  std::vector<float> values(3 * 128);
  std::iota(values.begin(), values.end(), 0.0f);
  const TestStream stream;
  const DeviceBuffer<float> x(values), sums(3);
  EXPECT_CUDA(BlockSums(x.get(), sums.get(), 3, stream));
  EXPECT_CUDA(cudaStreamSynchronize(stream));
  EXPECT_THAT(sums.ToHost(), ::testing::ElementsAre(8128.0f, 24512.0f, 40896.0f));
}

TEST_P(InEveryOrder, VotesAndAtomicsCountThreads) {
  const TestStream stream;
  const DeviceBuffer<int> counts(std::vector<int>(4, 0));
  EXPECT_CUDA(CountGreater(counts.get(), 4, stream));
  EXPECT_CUDA(cudaStreamSynchronize(stream));
  EXPECT_THAT(counts.ToHost(), ::testing::ElementsAre(127, 126, 125, 124));
}

}  // namespace
}  // namespace lockstep::cuda_emulation
