#include "partition/checkpoint/random_weights.h"

#include <algorithm>
#include <string_view>

#include "core/error.h"

namespace lockstep {
namespace {

constexpr std::int64_t kChunk = 1024;

struct Distribution {
  float mean;
  float deviation;
};

Distribution DistributionOf(const TensorSlice& slice) {
  if (slice.shape.rank() == 2) return {0.0f, 0.02f};
  if (slice.name.ends_with(".weight")) return {1.0f, 0.02f};
  return {0.0f, 0.002f};
}

std::uint64_t HashName(std::uint64_t seed, std::string_view name) {
  std::uint64_t state = 0xCBF29CE484222325u ^ (seed * 0x9E3779B97F4A7C15u);
  for (const char c : name) state = (state ^ static_cast<unsigned char>(c)) * 0x100000001B3u;
  return state;
}

// SplitMix64's finaliser.
std::uint64_t Mix(std::uint64_t x) {
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
  return x ^ (x >> 31);
}

// What distinguishes one row's values from another's.
struct RowKey {
  std::uint32_t low;
  std::uint32_t high;

  RowKey(std::uint64_t tensor, std::int64_t row) {
    const std::uint64_t mixed =
        Mix(tensor + 0x9E3779B97F4A7C15u * (static_cast<std::uint64_t>(row) + 1));
    low = static_cast<std::uint32_t>(mixed);
    high = static_cast<std::uint32_t>(mixed >> 32);
  }
};

// Arithmetic on 32-bit lanes without branches: the compiler does several columns at a time. The
// sum of a hash's four bytes is the bell; 510 is its mean and 147.8 its standard deviation. Whole
// numbers up to the one product and the one sum: the same bits on every machine.
void FillRow(const RowKey& key, std::int64_t first_column, Distribution distribution,
             std::int64_t count, float* values) {
  const float scale = distribution.deviation / 147.8f;
  const auto first = static_cast<std::uint32_t>(first_column);
  for (std::uint32_t i = 0; i < static_cast<std::uint32_t>(count); ++i) {
    std::uint32_t hash = (first + i) * 0x9E3779B9u + key.low;
    hash = (hash ^ (hash >> 16)) * 0x7FEB352Du;
    hash ^= key.high;
    hash = (hash ^ (hash >> 15)) * 0x846CA68Bu;
    hash ^= hash >> 16;
    const std::uint32_t pairs = (hash & 0x00FF00FFu) + ((hash >> 8) & 0x00FF00FFu);
    const std::uint32_t sum = (pairs & 0xFFFFu) + (pairs >> 16);
    values[i] = distribution.mean + scale * static_cast<float>(static_cast<int>(sum) - 510);
  }
}

void Fill(std::uint64_t seed, const TensorSlice& slice, const TensorView& destination) {
  LOCKSTEP_CHECK(destination.elements() == slice.elements(), "{} for {} elements of {}",
                 destination.shape().ToString(), slice.elements(), slice.name);
  const Distribution distribution = DistributionOf(slice);
  const std::uint64_t tensor = HashName(seed, slice.name);
  const bool vector = slice.shape.rank() == 1;
  // A vector is one row, whichever interval of it is asked for.
  const Range rows = vector ? Range{0, 1} : slice.rows;
  const Range columns = vector ? slice.rows : slice.columns;
  auto* bytes = static_cast<std::byte*>(destination.raw());
  for (std::int64_t row = rows.begin; row < rows.end; ++row) {
    const RowKey key(tensor, row);
    for (std::int64_t column = columns.begin; column < columns.end; column += kChunk) {
      const std::int64_t count = std::min(kChunk, columns.end - column);
      float values[kChunk];
      FillRow(key, column, distribution, count, values);
      const auto elements = static_cast<std::size_t>(count);
      ConvertElements(DType::kF32, values, destination.dtype(), bytes, elements);
      bytes += elements * SizeOf(destination.dtype());
    }
  }
}

}  // namespace

SliceReader RandomWeights(std::uint64_t seed) {
  return [seed](const TensorSlice& slice, const TensorView& destination) {
    Fill(seed, slice, destination);
  };
}

}  // namespace lockstep
