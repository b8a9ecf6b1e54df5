#include "engine/scheduling/page_pool.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/error.h"

namespace lockstep {
namespace {

using Tokens = std::vector<std::int32_t>;
using testing::ElementsAre;
using testing::IsEmpty;

// Takes pages for the full blocks of a text and publishes them.
Tokens Fill(PagePool& blocks, const Tokens& text) {
  PagePool::Prefix prefix = blocks.Reuse(text);
  for (std::size_t begin = 2 * prefix.pages.size(); begin + 2 <= text.size(); begin += 2) {
    prefix.pages.push_back(blocks.Take());
    prefix.last =
        blocks.Publish(prefix.pages.back(), prefix.last, std::span(text).subspan(begin, 2));
  }
  return prefix.pages;
}

TEST(PagePool, GivesTheLowestPagesFirstAndTakesThemBack) {
  PagePool blocks(3, 2, PrefixCache::kOn);
  EXPECT_EQ(blocks.Take(), 0);
  EXPECT_EQ(blocks.Take(), 1);
  blocks.Release(Tokens{0});
  EXPECT_EQ(blocks.available(), 2);
  EXPECT_EQ(blocks.Take(), 0);
  EXPECT_EQ(blocks.Take(), 2);
  EXPECT_THROW(blocks.Take(), Error);
  EXPECT_THROW(blocks.Release(Tokens{0, 0}), Error);
}

TEST(PagePool, FindsTheLongestBeginning) {
  PagePool blocks(8, 2, PrefixCache::kOn);
  const Tokens pages = Fill(blocks, {1, 2, 3, 4, 5, 6});
  EXPECT_THAT(pages, ElementsAre(0, 1, 2));
  EXPECT_THAT(blocks.Reuse(Tokens{1, 2, 3, 4, 9, 9}).pages, ElementsAre(0, 1));
  EXPECT_THAT(blocks.Reuse(Tokens{1, 2, 3}).pages, ElementsAre(0));
  EXPECT_THAT(blocks.Reuse(Tokens{3, 4, 5, 6}).pages, IsEmpty()) << "not at the beginning";
  EXPECT_THAT(blocks.Reuse(Tokens{1}).pages, IsEmpty());
  blocks.CheckConsistency();
}

TEST(PagePool, KeepsPagesUntilTheyAreNeededTheLongestUnusedGoFirst) {
  PagePool blocks(4, 2, PrefixCache::kOn);
  const Tokens first = Fill(blocks, {1, 2, 3, 4});
  const Tokens second = Fill(blocks, {5, 6, 7, 8});
  blocks.Release(first);
  blocks.Release(second);
  EXPECT_EQ(blocks.available(), 4);
  const Tokens again = blocks.Reuse(Tokens{1, 2, 3, 4}).pages;
  EXPECT_EQ(again, first);
  EXPECT_EQ(blocks.available(), 2);
  EXPECT_EQ(blocks.Take(), second[1]) << "a text's end goes before its beginning";
  EXPECT_THAT(blocks.Reuse(Tokens{5, 6, 7, 8}).pages, ElementsAre(second[0]));
  blocks.CheckConsistency();
}

TEST(PagePool, AForgottenBlockIsNotFoundThroughItsOldNumber) {
  PagePool blocks(2, 2, PrefixCache::kOn);
  const Tokens pages = Fill(blocks, {1, 2, 3, 4});
  blocks.Release(std::span(pages).first(1));  // the end alone is still in use
  EXPECT_EQ(blocks.Take(), pages[0]);         // now holds something else
  EXPECT_THAT(blocks.Reuse(Tokens{1, 2, 3, 4}).pages, IsEmpty());
  blocks.Publish(pages[0], PagePool::kBeginning, Tokens{1, 2});
  EXPECT_THAT(blocks.Reuse(Tokens{1, 2, 3, 4}).pages, ElementsAre(pages[0]));
  blocks.CheckConsistency();
}

TEST(PagePool, TheSameBlockComputedTwiceHasOneNumber) {
  PagePool blocks(4, 2, PrefixCache::kOn);
  const std::int32_t one = blocks.Take(), two = blocks.Take();
  const auto id = blocks.Publish(one, PagePool::kBeginning, Tokens{1, 2});
  EXPECT_EQ(blocks.Publish(two, PagePool::kBeginning, Tokens{1, 2}), id);
  blocks.Release(Tokens{two});
  EXPECT_EQ(blocks.Take(), two) << "the copy is simply free";
  EXPECT_THAT(blocks.Reuse(Tokens{1, 2}).pages, ElementsAre(one));
}

TEST(PagePool, ASharedPageIsFreeWhenItsLastUserHasGone) {
  PagePool blocks(2, 2, PrefixCache::kOff);
  const std::int32_t page = blocks.Take();
  EXPECT_TRUE(blocks.IsPrivate(page));
  blocks.Share(Tokens{page});
  EXPECT_FALSE(blocks.IsPrivate(page));
  blocks.Release(Tokens{page});
  EXPECT_EQ(blocks.available(), 1);
  blocks.Release(Tokens{page});
  EXPECT_EQ(blocks.available(), 2);
  EXPECT_THROW(blocks.Share(Tokens{page}), Error) << "nobody's";
}

TEST(PagePool, FindsNothingOfWhatItHasForgotten) {
  PagePool blocks(4, 2, PrefixCache::kOn);
  const Tokens used = Fill(blocks, {1, 2});
  blocks.Release(Fill(blocks, {5, 6, 7, 8}));
  blocks.Forget();
  blocks.CheckConsistency();
  EXPECT_EQ(blocks.available(), 3);
  EXPECT_THAT(blocks.Reuse(Tokens{1, 2}).pages, IsEmpty());
  EXPECT_THAT(blocks.Reuse(Tokens{5, 6}).pages, IsEmpty());
  blocks.Release(used);
  blocks.CheckConsistency();
  EXPECT_EQ(blocks.available(), 4);
  EXPECT_THAT(Fill(blocks, {5, 6, 7, 8, 9, 10, 11, 12}), testing::UnorderedElementsAre(0, 1, 2, 3));
}

TEST(PagePool, EachKeyHasABeginningOfItsOwn) {
  PagePool blocks(4, 2, PrefixCache::kOn);
  EXPECT_EQ(blocks.Root(0), PagePool::kBeginning);
  const auto root = blocks.Root(7);
  EXPECT_EQ(blocks.Root(7), root);
  EXPECT_NE(blocks.Root(8), root);
  const std::int32_t page = blocks.Take();
  blocks.Publish(page, root, Tokens{1, 2});
  EXPECT_THAT(blocks.Reuse(Tokens{1, 2}).pages, IsEmpty());
  EXPECT_THAT(blocks.Reuse(Tokens{1, 2}, blocks.Root(8)).pages, IsEmpty());
  EXPECT_THAT(blocks.Reuse(Tokens{1, 2}, root).pages, ElementsAre(page));
}

TEST(PagePool, WithoutThePrefixCacheNothingIsFound) {
  PagePool blocks(4, 2, PrefixCache::kOff);
  const Tokens pages = Fill(blocks, {1, 2, 3, 4});
  EXPECT_THAT(blocks.Reuse(Tokens{1, 2, 3, 4}).pages, IsEmpty());
  blocks.Release(pages);
  EXPECT_EQ(blocks.Take(), 0);
}

}  // namespace
}  // namespace lockstep
