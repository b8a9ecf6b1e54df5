#include "comm/tree_sum.h"

#include <gtest/gtest.h>

#include <bit>
#include <cstdint>
#include <cstring>
#include <random>
#include <vector>

#include "comm/communicator.h"

namespace lockstep {
namespace {

using Arrays = std::vector<std::vector<float>>;

// Of very different sizes, so that another order of additions has other bits.
Arrays RandomArrays(std::size_t ranks, std::size_t count) {
  std::mt19937 random(static_cast<unsigned>(1000 * ranks + count));
  Arrays arrays(ranks, std::vector<float>(count));
  for (auto& array : arrays) {
    for (float& value : array) {
      const auto bits = static_cast<std::uint32_t>(random());
      value = std::bit_cast<float>((bits & 0x8f7fffffu) + 0x37800000u);
    }
  }
  return arrays;
}

std::vector<float> Expected(const Arrays& arrays) {
  std::vector<float> sums(arrays[0].size());
  std::vector<float> column(arrays.size());
  for (std::size_t i = 0; i < sums.size(); ++i) {
    for (std::size_t r = 0; r < arrays.size(); ++r) column[r] = arrays[r][i];
    sums[i] = SumTree(column);
  }
  return sums;
}

bool SameBits(const std::vector<float>& a, const std::vector<float>& b) {
  if (a.size() != b.size()) return false;
  return a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

class TreeSumOf : public ::testing::TestWithParam<std::size_t> {
 protected:
  static constexpr std::size_t kCounts[] = {0, 1, 3, 16, 511, 512, 513, 3001};
  static std::vector<const float*> Values(const Arrays& arrays) {
    std::vector<const float*> values;
    for (const auto& array : arrays) values.push_back(array.data());
    return values;
  }
};

INSTANTIATE_TEST_SUITE_P(Ranks, TreeSumOf, ::testing::Values(1, 2, 3, 4, 5, 6, 7, 8, 9, 13, 16),
                         [](const auto& test) { return "Of" + std::to_string(test.param); });

TEST_P(TreeSumOf, AddsToOneOtherArrayInTheDocumentedOrder) {
  for (const std::size_t count : kCounts) {
    const Arrays arrays = RandomArrays(GetParam(), count);
    std::vector<float> sum(count);
    float* const sums[] = {sum.data()};
    AddInTree({Values(arrays), sums, count});
    EXPECT_TRUE(SameBits(sum, Expected(arrays))) << count;
  }
}

TEST_P(TreeSumOf, AddsInPlaceOfAllTheArrays) {
  for (const std::size_t count : kCounts) {
    for (const auto way : {TreeSum::Way::kUp, TreeSum::Way::kDown}) {
      Arrays arrays = RandomArrays(GetParam(), count);
      const std::vector<float> expected = Expected(arrays);
      std::vector<float*> sums;
      for (auto& array : arrays) sums.push_back(array.data());
      AddInTree({Values(arrays), sums, count, way});
      for (const auto& array : arrays) EXPECT_TRUE(SameBits(array, expected)) << count;
    }
  }
}

TEST_P(TreeSumOf, AddsInPlaceOfAnyOneArray) {
  for (std::size_t rank = 0; rank < GetParam(); ++rank) {
    Arrays arrays = RandomArrays(GetParam(), 700);
    const std::vector<float> expected = Expected(arrays);
    float* const sums[] = {arrays[rank].data()};
    AddInTree({Values(arrays), sums, 700});
    EXPECT_TRUE(SameBits(arrays[rank], expected)) << rank;
  }
}

}  // namespace
}  // namespace lockstep
