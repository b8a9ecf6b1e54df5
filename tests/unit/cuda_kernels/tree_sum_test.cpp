// Sums of what ranks have gathered, in the order of the processors' sums.
#include "layers/kernels/cuda/peers/tree_sum.h"

#include "comm/reducer.h"
#include "core/error.h"
#include "kernel_fixture.h"

namespace lockstep::cuda {
namespace {

class TreeSums : public KernelTest {};

TEST_P(TreeSums, HaveTheBitsOfTheCpus) {
  for (const std::int32_t ranks : {1, 2, 3, 4, 5, 7, 8, 9, 16, 23})
    for (const std::int64_t count : {1, 300}) {
      Floats values = random_.Values(ranks * count);
      for (std::size_t i = 0; i < values.size(); ++i)
        values[i] = std::ldexp(values[i], static_cast<int>(i * 7 % 23));
      const Device<float> gathered(values), sums(static_cast<std::size_t>(count));
      TreeSum({.gathered = gathered.data(), .ranks = ranks, .sum = sums.data(), .count = count},
              stream_);
      Floats expected, of_ranks(static_cast<std::size_t>(ranks));
      for (std::int64_t i = 0; i < count; ++i) {
        for (std::int32_t rank = 0; rank < ranks; ++rank)
          of_ranks[static_cast<std::size_t>(rank)] =
              values[static_cast<std::size_t>(rank * count + i)];
        expected.push_back(SumTree(of_ranks));
      }
      EXPECT_EQ(sums.Values(), expected) << ranks << " ranks";
    }
}

TEST_P(TreeSums, RefuseNoRanks) { EXPECT_THROW(TreeSum({.ranks = 0, .count = 1}, stream_), Error); }

INSTANTIATE_TEST_SUITE_P(Kernels, TreeSums, KernelCases(), KernelCaseName);

}  // namespace
}  // namespace lockstep::cuda
