#include "comm/tree_sum.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <memory>
#include <vector>

#include "core/error.h"

namespace lockstep {
namespace {

// So much of every array at a time that the sums of lower levels stay in the first-level cache.
constexpr std::size_t kChunk = 512;

void AddOnto(float* __restrict sum, const float* __restrict other, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) sum[i] += other[i];
}

// sum may be a or b. Adding in the other order has the same bits.
void Add(const float* a, const float* b, float* sum, std::size_t count) {
  if (sum == a) return AddOnto(sum, b, count);
  if (sum == b) return AddOnto(sum, a, count);
  const float* __restrict left = a;
  const float* __restrict right = b;
  float* __restrict out = sum;
  for (std::size_t i = 0; i < count; ++i) out[i] = left[i] + right[i];
}

// The commonest case: two ranks that both get the sum in place.
void AddBoth(float* __restrict a, float* __restrict b, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) {
    const float sum = a[i] + b[i];
    a[i] = sum;
    b[i] = sum;
  }
}

bool IsPairInPlace(const TreeSum& sum) {
  return sum.values.size() == 2 && sum.sums.size() == 2 && sum.values[0] == sum.sums[0] &&
         sum.values[1] == sum.sums[1];
}

// The tree over one chunk at a time.
class Tree {
 public:
  explicit Tree(const TreeSum& sum)
      : sum_(sum),
        level_(sum.values.size()),
        scratch_(std::make_unique_for_overwrite<float[]>(sum.values.size() * kChunk)) {}

  void AddChunk(std::size_t begin, std::size_t count) {
    std::size_t left = sum_.values.size();
    for (std::size_t i = 0; i < left; ++i) level_[i] = sum_.values[i] + begin;
    left = AddLeadingPairs(left, count);
    for (; left > 1; left /= 2) {
      for (std::size_t i = 0; i < left / 2; ++i) AddTo(i, 2 * i, count);
    }
    for (float* out : sum_.sums) {
      if (out + begin != level_[0]) std::memcpy(out + begin, level_[0], count * sizeof(float));
    }
  }

 private:
  // Leaves a power of two.
  std::size_t AddLeadingPairs(std::size_t left, std::size_t count) {
    const std::size_t power = std::bit_floor(left);
    const std::size_t pairs = left - power;
    for (std::size_t i = 0; i < pairs; ++i) AddTo(i, 2 * i, count);
    for (std::size_t i = pairs; i < power; ++i) level_[i] = level_[i + pairs];
    return power;
  }

  // level[to] = level[from] + level[from + 1], in row `to` of the scratch memory, where nothing
  // lies that is still needed except level[from] itself if `from` is `to`.
  void AddTo(std::size_t to, std::size_t from, std::size_t count) {
    float* row = scratch_.get() + to * kChunk;
    Add(level_[from], level_[from + 1], row, count);
    level_[to] = row;
  }

  const TreeSum& sum_;
  std::vector<const float*> level_;
  std::unique_ptr<float[]> scratch_;
};

}  // namespace

void AddInTree(const TreeSum& sum) {
  LOCKSTEP_CHECK(!sum.values.empty(), "a sum of no ranks");
  if (IsPairInPlace(sum)) return AddBoth(sum.sums[0], sum.sums[1], sum.count);
  if (sum.values.size() == 2 && sum.sums.size() == 1) {
    return Add(sum.values[0], sum.values[1], sum.sums[0], sum.count);
  }
  Tree tree(sum);
  for (std::size_t begin = 0; begin < sum.count; begin += kChunk) {
    tree.AddChunk(begin, std::min(kChunk, sum.count - begin));
  }
}

}  // namespace lockstep
