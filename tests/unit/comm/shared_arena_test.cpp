#include "comm/shared/shared_arena.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <memory>
#include <optional>
#include <random>
#include <utility>
#include <vector>

#include "core/error.h"
#include "tests/support/message_of.h"

namespace lockstep {
namespace {

TEST(SharedSegment, IsTheSameMemoryForWhoeverOpensIt) {
  const auto mine = SharedSegment::Create(3);
  const auto theirs = SharedSegment::Open(mine->address());
  EXPECT_EQ(theirs->ranks(), 3);
  mine->letterbox(2).done.Raise(17);
  EXPECT_EQ(theirs->letterbox(2).done.value(), 17u);
  const SharedPlace place{mine->ArenaBegin(1), 1 << 20, 5000};
  std::strcpy(reinterpret_cast<char*>(mine->At(place)), "hello");
  EXPECT_STREQ(reinterpret_cast<char*>(theirs->At(place)), "hello");
  EXPECT_NE(mine->At(place), theirs->At(place));
}

TEST(SharedSegment, RefusesWhatIsFoundAtItsAddressInstead) {
  const auto segment = SharedSegment::Create(2);
  auto address = segment->address();
  ++address.token;
  EXPECT_THAT(MessageOf([&] { SharedSegment::Open(address); }, ExitCode::kEnvironment),
              ::testing::HasSubstr("is something else, so the ranks run in different containers"));
  address.descriptor = 12345;
  EXPECT_THAT(MessageOf([&] { SharedSegment::Open(address); }, ExitCode::kEnvironment),
              ::testing::HasSubstr("No such file"));
  EXPECT_THROW(segment->letterbox(2), Error);
}

TEST(SharedSegment, KnowsWhoIsGone) {
  const auto segment = SharedSegment::Create(2);
  const SharedSegment::Presence here(*segment, 0);
  {
    const SharedSegment::Presence peer(*SharedSegment::Open(segment->address()), 1);
    EXPECT_FALSE(here.IsGone(1));
    EXPECT_THROW(SharedSegment::Presence(*segment, 1), Error);  // there is one already
  }
  EXPECT_TRUE(here.IsGone(1));
}

TEST(SharedSegment, LeavesNoNameBehind) {
  const auto files = [] {
    std::error_code ignored;
    const std::filesystem::directory_iterator folder("/dev/shm", ignored);
    std::vector<std::string> names;
    for (const auto& entry : folder) {
      if (entry.path().string().find("lockstep") != std::string::npos) names.push_back("found");
    }
    return names;
  };
  const auto segment = SharedSegment::Create(2);
  EXPECT_THAT(files(), ::testing::IsEmpty());
}

class Arena : public ::testing::Test {
 protected:
  const std::shared_ptr<SharedSegment> segment_ = SharedSegment::Create(2);
  const std::shared_ptr<SharedArena> arena_ = std::make_shared<SharedArena>(segment_, 1);
};

TEST_F(Arena, SaysWhereItsMemoryLies) {
  const auto block = arena_->Allocate(100'000);
  auto* bytes = static_cast<std::byte*>(block.get());
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(bytes) % 64, 0u);
  const auto place = arena_->Find(bytes + 77, 1000);
  ASSERT_TRUE(place.has_value());
  EXPECT_EQ(segment_->At(*place), bytes + 77);
  std::byte elsewhere{};
  EXPECT_FALSE(arena_->Find(&elsewhere, 1).has_value());
  EXPECT_FALSE(arena_->Find(bytes, std::size_t{1} << 40).has_value());
}

TEST_F(Arena, GrowsWhenABlockDoesNotFit) {
  std::vector<std::shared_ptr<void>> blocks;
  for (int i = 0; i < 5; ++i) blocks.push_back(arena_->Allocate(std::size_t{40} << 20));
  blocks.push_back(arena_->Allocate(std::size_t{1} << 30));
  for (const auto& block : blocks) {
    EXPECT_TRUE(arena_->Find(block.get(), std::size_t{40} << 20).has_value());
    static_cast<char*>(block.get())[5] = 1;
  }
}

TEST_F(Arena, SaysWhenItIsUsedUp) {
  EXPECT_THAT(
      MessageOf([&] { arena_->Allocate(SharedSegment::kArenaBytes + 1); }, ExitCode::kEnvironment),
      ::testing::HasSubstr("used up"));
  EXPECT_NE(arena_->Allocate(1), nullptr);
}

TEST_F(Arena, UsesFreedMemoryAgain) {
  const auto first = arena_->Allocate(50'000).get();  // free again at once
  EXPECT_EQ(arena_->Allocate(50'000).get(), first);
}

TEST_F(Arena, GivesFreedMemoryBack) {
  auto block = arena_->Allocate(1 << 20);
  auto* bytes = static_cast<char*>(block.get());
  bytes[4096] = 1;
  block.reset();
  EXPECT_EQ(bytes[4096], 0);  // a hole
}

TEST_F(Arena, LeavesEverythingInPlaceOnceRetired) {
  auto block = arena_->Allocate(1 << 20);
  auto* bytes = static_cast<char*>(block.get());
  bytes[4096] = 1;
  arena_->Retire();
  block.reset();
  EXPECT_EQ(bytes[4096], 1);
}

TEST_F(Arena, JoinsFreeNeighboursWhateverTheOrder) {
  std::mt19937 random(5);
  for (int round = 0; round < 30; ++round) {
    std::vector<std::shared_ptr<void>> blocks;
    for (int i = 0; i < 14; ++i) blocks.push_back(arena_->Allocate(std::size_t{4} << 20));
    std::shuffle(blocks.begin(), blocks.end(), random);
    blocks.clear();
    // Only fits into the first piece, at its beginning, when all of it is one hole again.
    const auto all = arena_->Allocate(std::size_t{64} << 20);
    EXPECT_EQ(arena_->Find(all.get(), 1)->piece, segment_->ArenaBegin(1));
    EXPECT_EQ(arena_->Find(all.get(), 1)->offset, 0u);
  }
}

TEST_F(Arena, GivesBlocksThatDoNotOverlap) {
  std::mt19937 random(6);
  std::vector<std::pair<std::shared_ptr<void>, std::size_t>> blocks;
  for (int i = 0; i < 300; ++i) {
    const std::size_t bytes = random() % 60'000 + 1;
    auto block = arena_->Allocate(bytes);
    std::memset(block.get(), i % 251, bytes);
    if (blocks.size() < 40) {
      blocks.emplace_back(std::move(block), bytes);
    } else {
      blocks[random() % 40] = {std::move(block), bytes};
    }
    for (const auto& [memory, size] : blocks) {
      const auto* at = static_cast<const unsigned char*>(memory.get());
      ASSERT_EQ(at[0], at[size - 1]);
    }
  }
}

TEST_F(Arena, OutlivesItsOwnersThroughItsBlocks) {
  auto arena = std::make_shared<SharedArena>(SharedSegment::Create(1), 0);
  const auto block = arena->Allocate(1000);
  arena.reset();
  static_cast<char*>(block.get())[999] = 1;
}

}  // namespace
}  // namespace lockstep
