#include "layers/kernels/cuda/products/quantise_int4.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <utility>

#include "core/numbers/weight_format.h"
#include "core/threads/affinity.h"
#include "core/threads/thread_pool.h"
#include "layers/kernels/cuda/products/int4_block.h"
#include "layers/kernels/cuda/products/quantise.h"

namespace lockstep::cuda {
namespace {

static_assert(kInt4BlockInputs == kInt4GroupInputs);

constexpr int kInt4Lanes = kInt4BlockOutputs;

// Loops over lanes are what the compiler makes vectors of.
struct OfOutputs {
  float lanes[kInt4Lanes];
};

// A group of sixteen outputs, an input behind the other; those that do not exist are zeros.
using Int4Group = OfOutputs[kInt4BlockInputs];

void LoadGroup(const TensorView& weight, std::int64_t first_output, const Range& inputs,
               Int4Group& to) {
  std::memset(to, 0, sizeof(to));
  const std::int64_t outputs = std::min<std::int64_t>(kInt4Lanes, weight.dim(0) - first_output);
  for (std::int64_t n = 0; n < outputs; ++n) {
    const float* from = weight.data<float>() + (first_output + n) * weight.dim(1) + inputs.begin;
    for (std::int64_t i = 0; i < inputs.size(); ++i) to[i].lanes[n] = from[i];
  }
}

// As BestInt4Scale() and QuantizeInt4() of cpu/isa/elementwise.inc, of which the tests compare
// every value: they change together.
float InverseOf(float x) { return x == 0.0f ? 0.0f : 1.0f / x; }

// To the nearest integer of -8 to 7, ties to even, as the low bits of a float.
constexpr float kRounder = 0x1.8p23f;
float RaisedInt4(float scaled) {
  scaled = scaled > -8.0f ? scaled : -8.0f;
  scaled = scaled < 7.0f ? scaled : 7.0f;
  return scaled + kRounder;
}

// The scale with the least squared error of eight, the first of equals: the one that maps the
// largest weight, with its sign, to -8, and somewhat smaller and larger ones.
OfOutputs BestScales(const Int4Group& x) {
  OfOutputs largest = x[0], low = x[0], best{}, least;
  for (int i = 1; i < kInt4BlockInputs; ++i)
    for (int n = 0; n < kInt4Lanes; ++n) {
      low.lanes[n] = std::min(low.lanes[n], x[i].lanes[n]);
      largest.lanes[n] = std::max(largest.lanes[n], x[i].lanes[n]);
    }
  for (int n = 0; n < kInt4Lanes; ++n) {
    if (-low.lanes[n] > largest.lanes[n]) largest.lanes[n] = low.lanes[n];
    least.lanes[n] = 3.0e38f;
  }
  constexpr float kDivisors[] = {-8.0f, -8.7f, -9.4f, -10.1f, -7.5f, -11.0f, 8.7f, 7.3f};
  for (const float divisor : kDivisors) {
    OfOutputs step, inverse, error{};
    for (int n = 0; n < kInt4Lanes; ++n) {
      step.lanes[n] = static_cast<float>(BFloat16(largest.lanes[n] / divisor));
      inverse.lanes[n] = InverseOf(step.lanes[n]);
    }
    for (const OfOutputs& value : x)
      for (int n = 0; n < kInt4Lanes; ++n) {
        const float rounded = RaisedInt4(value.lanes[n] * inverse.lanes[n]) - kRounder;
        const float difference = value.lanes[n] - rounded * step.lanes[n];
        error.lanes[n] += difference * difference;
      }
    for (int n = 0; n < kInt4Lanes; ++n) {
      const bool better = error.lanes[n] < least.lanes[n];
      least.lanes[n] = better ? error.lanes[n] : least.lanes[n];
      best.lanes[n] = better ? step.lanes[n] : best.lanes[n];
    }
  }
  return best;
}

void PackGroup(const Int4Group& x, Int4Block& block) {
  const OfOutputs scales = BestScales(x);
  std::memset(&block, 0, sizeof(block));
  OfOutputs inverse;
  for (int n = 0; n < kInt4Lanes; ++n) {
    block.scales[n] = BFloat16(scales.lanes[n]).bits;
    inverse.lanes[n] = InverseOf(scales.lanes[n]);
  }
  for (int i = 0; i < kInt4BlockInputs; ++i)
    for (int n = 0; n < kInt4Lanes; ++n) {
      const auto raised =
          std::bit_cast<std::uint32_t>(RaisedInt4(x[i].lanes[n] * inverse.lanes[n]));
      const Int4Place place = PlaceInInt4Block(n, i);
      block.words[place.lane][place.word] |= ((raised + 8) & 15u) << place.shift;
    }
}

}  // namespace

Int4Weight QuantiseToInt4(const TensorView& weight, std::span<const Range> ranges) {
  InputGroups inputs = GroupsOf(ranges, kInt4BlockInputs);
  const std::vector<Range>& groups = inputs.groups;
  Int4Weight made{
      .blocks = {}, .groups = std::ssize(groups), .first_group = std::move(inputs.first)};
  const std::int64_t panels = (weight.dim(0) + kInt4Lanes - 1) / kInt4Lanes;
  constexpr std::int64_t kWords = sizeof(Int4Block) / sizeof(std::int32_t);
  made.blocks = Tensor::OnHost(DType::kI32, {panels, made.groups * kWords});
  auto* blocks = static_cast<Int4Block*>(made.blocks.view().raw());
  const auto cores = static_cast<std::int64_t>(AllowedCores().size());
  ThreadPool pool(
      static_cast<int>(std::clamp<std::int64_t>(panels, 1, std::max<std::int64_t>(1, cores))));
  pool.ParallelFor(panels, [&](std::int64_t begin, std::int64_t end) {
    Int4Group group;
    for (std::int64_t panel = begin; panel < end; ++panel)
      for (std::int64_t i = 0; i < made.groups; ++i) {
        LoadGroup(weight, panel * kInt4Lanes, groups[static_cast<std::size_t>(i)], group);
        PackGroup(group, blocks[panel * made.groups + i]);
      }
  });
  return made;
}

}  // namespace lockstep::cuda
