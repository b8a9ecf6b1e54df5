#pragma once

#include <cstddef>
#include <span>

namespace lockstep {

// Adds arrays of `count` floats, one of each rank, elementwise and in the order of SumTree()
// (comm/reducer.h), and writes the sums to each of `sums`. Those may be among the arrays
// that are added, but otherwise no two arrays may overlap.
//
// Two arrays that are added in place can be gone through downwards: then the processor does not
// fetch ahead what lies after their end and is another rank's slice, at that moment in its cache.
struct TreeSum {
  std::span<const float* const> values;  // of ranks 0, 1, …; at least one
  std::span<float* const> sums;
  std::size_t count;
  enum class Way { kUp, kDown } way = Way::kUp;
};
void AddInTree(const TreeSum& sum);

}  // namespace lockstep
