#include "comm/groups/gather_tree.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <span>
#include <string>
#include <vector>

#include "core/error.h"

namespace lockstep {
namespace {

std::vector<std::byte> BytesOf(const std::string& text) {
  const auto bytes = std::as_bytes(std::span(text));
  return {bytes.begin(), bytes.end()};
}

// Of a world of this size, without one.
struct SimulatedTree {
  explicit SimulatedTree(int ranks) : size(ranks) {}

  std::vector<std::byte> Gather(int rank, std::size_t depth = 0) {
    deepest = std::max(deepest, depth);
    const TreePlace place = PlaceInTree(rank, size);
    const std::size_t messages = place.children.size() + (place.parent >= 0 ? 1 : 0);
    most_messages = std::max(most_messages, messages);
    std::vector<std::byte> bundle =
        BeginBundle(BytesOf(std::string(static_cast<std::size_t>(rank % 3), 'x')));
    for (const int child : place.children) {
      EXPECT_EQ(PlaceInTree(child, size).parent, rank);
      const auto theirs = Gather(child, depth + 1);
      bundle.insert(bundle.end(), theirs.begin(), theirs.end());
    }
    return bundle;
  }

  int size;
  std::size_t deepest = 0;        // in messages that follow each other
  std::size_t most_messages = 0;  // of one rank
};

TEST(GatherTree, BringsAllMessagesInOrderByFewForEachRank) {
  std::vector<int> sizes{100, 255, 256, 257, 1000, 1024};
  for (int size = 1; size <= 70; ++size) sizes.push_back(size);
  for (const int size : sizes) {
    SimulatedTree tree(size);
    const auto messages = OpenBundle(tree.Gather(0));
    ASSERT_EQ(std::ssize(messages), size);
    for (int rank = 0; rank < size; ++rank)
      EXPECT_EQ(std::ssize(messages[static_cast<std::size_t>(rank)]), rank % 3) << rank;
    const auto levels = static_cast<std::size_t>(std::bit_width(static_cast<unsigned>(size - 1)));
    EXPECT_LE(tree.most_messages, std::max<std::size_t>(levels, 1)) << size;
    EXPECT_LE(tree.deepest, levels) << size;
  }
}

TEST(GatherTree, RefusesWhatIsNoBundle) {
  auto bundle = BeginBundle(BytesOf("ab"));
  bundle.pop_back();
  EXPECT_THROW(OpenBundle(bundle), Error);
  bundle.resize(3);
  EXPECT_THROW(OpenBundle(bundle), Error);
  EXPECT_TRUE(OpenBundle({}).empty());
}

}  // namespace
}  // namespace lockstep
