#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace lockstep {

// Maps a pair of token ids to the rank and the result of their merge. Open addressing in one flat
// array: merging is nothing but look-ups here, most of them misses.
class PairTable {
 public:
  static constexpr std::uint32_t kNoMerge = UINT32_MAX;

  struct Merge {
    std::uint32_t rank = kNoMerge;
    std::int32_t result = 0;
  };

  // Room for `count` pairs, so that at most half of the slots are taken.
  explicit PairTable(std::size_t count) : slots_(std::bit_ceil(2 * count + 2)) {}

  // A pair that is there already takes the new value. Ids are not negative.
  void Set(std::int32_t left, std::int32_t right, Merge merge) {
    slots_[SlotOf(KeyOf(left, right))] = {KeyOf(left, right), merge};
  }

  // The merge of the pair, with rank kNoMerge when there is none.
  Merge Find(std::int32_t left, std::int32_t right) const {
    return slots_[SlotOf(KeyOf(left, right))].merge;
  }

 private:
  static constexpr std::uint64_t kFree = UINT64_MAX;

  struct Slot {
    std::uint64_t key = kFree;
    Merge merge;
  };

  static std::uint64_t KeyOf(std::int32_t left, std::int32_t right) {
    return static_cast<std::uint64_t>(static_cast<std::uint32_t>(left)) << 32 |
           static_cast<std::uint32_t>(right);
  }

  // The slot of the key, or the free one where it would go.
  std::size_t SlotOf(std::uint64_t key) const {
    const std::size_t mask = slots_.size() - 1;
    // Fibonacci hashing: the high half of the product depends on every bit of the key.
    std::size_t slot = static_cast<std::size_t>(key * 0x9E3779B97F4A7C15u >> 32) & mask;
    while (slots_[slot].key != key && slots_[slot].key != kFree) slot = (slot + 1) & mask;
    return slot;
  }

  std::vector<Slot> slots_;  // a power of two of them
};

}  // namespace lockstep
