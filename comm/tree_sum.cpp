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
struct Pair {
  float* a;
  float* b;
  std::size_t count;
};

struct Vectors16 {
  typedef float Type __attribute__((vector_size(16), aligned(4), may_alias));
};
struct Vectors32 {
  typedef float Type __attribute__((vector_size(32), aligned(4), may_alias));
};

constexpr std::size_t kLineFloats = 16;

template <typename Vectors>
[[gnu::always_inline]] inline void AddLine(float* a, float* b) {
  constexpr std::size_t kVectors = kLineFloats * sizeof(float) / sizeof(typename Vectors::Type);
  typename Vectors::Type* in_a = reinterpret_cast<typename Vectors::Type*>(a);
  typename Vectors::Type* in_b = reinterpret_cast<typename Vectors::Type*>(b);
  typename Vectors::Type sums[kVectors];
  for (std::size_t i = 0; i < kVectors; ++i) sums[i] = in_a[i] + in_b[i];
  for (std::size_t i = 0; i < kVectors; ++i) in_a[i] = in_b[i] = sums[i];
}

template <typename Vectors>
[[gnu::always_inline]] inline void AddLines(const Pair& pair, TreeSum::Way way) {
  const std::size_t lines = pair.count / kLineFloats;
  for (std::size_t i = 0; i < lines; ++i) {
    const std::size_t at = (way == TreeSum::Way::kUp ? i : lines - 1 - i) * kLineFloats;
    AddLine<Vectors>(pair.a + at, pair.b + at);
  }
  for (std::size_t i = lines * kLineFloats; i < pair.count; ++i) {
    pair.a[i] = pair.b[i] = pair.a[i] + pair.b[i];
  }
}

void AddLinesAnywhere(const Pair& pair, TreeSum::Way way) { AddLines<Vectors16>(pair, way); }

#if defined(__x86_64__)
[[gnu::target("avx2")]] void AddLinesInAvx2(const Pair& pair, TreeSum::Way way) {
  AddLines<Vectors32>(pair, way);
}
#endif

void AddBoth(const Pair& pair, TreeSum::Way way) {
#if defined(__x86_64__)
  static const bool has_avx2 = __builtin_cpu_supports("avx2") != 0;
  if (has_avx2) return AddLinesInAvx2(pair, way);
#endif
  AddLinesAnywhere(pair, way);
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
  if (IsPairInPlace(sum)) return AddBoth({sum.sums[0], sum.sums[1], sum.count}, sum.way);
  if (sum.values.size() == 2 && sum.sums.size() == 1) {
    return Add(sum.values[0], sum.values[1], sum.sums[0], sum.count);
  }
  Tree tree(sum);
  for (std::size_t begin = 0; begin < sum.count; begin += kChunk) {
    tree.AddChunk(begin, std::min(kChunk, sum.count - begin));
  }
}

}  // namespace lockstep
