#include "comm/groups/gather_tree.h"

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "core/error.h"

namespace lockstep {

TreePlace PlaceInTree(int rank, int size) {
  LOCKSTEP_CHECK(rank >= 0 && rank < size, "rank {} of {}", rank, size);
  const int lowest_bit = rank & -rank;
  TreePlace place;
  if (rank > 0) place.parent = rank - lowest_bit;
  for (int distance = 1; (rank == 0 || distance < lowest_bit) && distance < size - rank;
       distance *= 2)
    place.children.push_back(rank + distance);
  return place;
}

std::vector<std::byte> BeginBundle(std::span<const std::byte> mine) {
  const auto length = static_cast<std::uint64_t>(mine.size());
  std::vector<std::byte> bundle(sizeof(length) + mine.size());
  std::memcpy(bundle.data(), &length, sizeof(length));
  std::ranges::copy(mine, bundle.begin() + sizeof(length));
  return bundle;
}

std::vector<std::vector<std::byte>> OpenBundle(std::span<const std::byte> bundle) {
  std::vector<std::vector<std::byte>> messages;
  while (!bundle.empty()) {
    std::uint64_t length = 0;
    LOCKSTEP_CHECK(bundle.size() >= sizeof(length), "a bundle ends with {} bytes", bundle.size());
    std::memcpy(&length, bundle.data(), sizeof(length));
    bundle = bundle.subspan(sizeof(length));
    LOCKSTEP_CHECK(length <= bundle.size(), "a message of {} bytes, of which there are {}", length,
                   bundle.size());
    const auto message = bundle.first(length);
    messages.emplace_back(message.begin(), message.end());
    bundle = bundle.subspan(length);
  }
  return messages;
}

}  // namespace lockstep
