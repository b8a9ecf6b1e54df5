#pragma once

#include <cstddef>
#include <span>
#include <vector>

namespace lockstep {

// How the messages of all ranks come to rank 0, and back, so that no rank sends or receives more
// than log2(N) of them: a binomial tree. Each rank puts what it gets together with its own. Pure.

struct TreePlace {
  int parent = -1;            // -1: rank 0 has none
  std::vector<int> children;  // in their order; below each are the ranks up to the next one
};
TreePlace PlaceInTree(int rank, int size);

// A rank's own message as the beginning of its bundle, to which those of its children are appended
// in their order: a bundle has the messages of the ranks below in the order of ranks.
std::vector<std::byte> BeginBundle(std::span<const std::byte> mine);
// The messages in it. Throws Error(kInternal) when it is none.
std::vector<std::vector<std::byte>> OpenBundle(std::span<const std::byte> bundle);

}  // namespace lockstep
