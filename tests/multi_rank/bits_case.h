#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <ostream>
#include <span>
#include <string>

#include "core/numbers/weight_format.h"

namespace lockstep::testing {

// A golden case in a format, whose bits are compared over numbers of ranks.
struct BitsCase {
  const char* name;  // of a golden case with heads for 8 ranks
  WeightFormat format;
};

inline std::string NameOf(const BitsCase& one) {
  return std::string(one.name) + "_" + std::string(Name(one.format));
}

inline void PrintTo(const BitsCase& one, std::ostream* out) { *out << NameOf(one); }

// How many of as many values have other bits.
inline std::size_t CountOfOtherBits(std::span<const float> values, std::span<const float> others) {
  std::size_t different = 0;
  for (std::size_t i = 0; i < std::min(values.size(), others.size()); ++i)
    different += std::bit_cast<std::uint32_t>(values[i]) != std::bit_cast<std::uint32_t>(others[i]);
  return different + std::max(values.size(), others.size()) -
         std::min(values.size(), others.size());
}

}  // namespace lockstep::testing
