#include "server/groups/router.h"

#include <gtest/gtest.h>

#include <numeric>

namespace lockstep {
namespace {

using Loads = std::vector<std::optional<std::int64_t>>;

std::vector<std::int32_t> Prompt(std::int32_t first, std::size_t tokens) {
  std::vector<std::int32_t> prompt(tokens);
  std::iota(prompt.begin(), prompt.end(), first);
  return prompt;
}

TEST(Router, TakesTheGroupWithTheLeastToDo) {
  const Router router(3);
  EXPECT_EQ(router.Choose(Loads{30, 10, 20}, Prompt(0, 40)), 1U);
  EXPECT_EQ(router.Choose(Loads{30, std::nullopt, 20}, Prompt(0, 40)), 2U);
  EXPECT_EQ(router.Choose(Loads{0, 0, 0}, {}), 0U);
  EXPECT_EQ(router.Choose(Loads{std::nullopt, std::nullopt, std::nullopt}, {}), std::nullopt);
}

TEST(Router, PrefersTheLongestBeginningThatAGroupHasSeen) {
  Router router(3);
  router.Note(1, Prompt(0, 32));
  router.Note(2, Prompt(0, 48));
  EXPECT_EQ(router.Choose(Loads{0, 500, 600}, Prompt(0, 64)), 2U);
  EXPECT_EQ(router.Choose(Loads{0, 500, 600}, Prompt(0, 47)), 1U);  // as long, and less to do
  EXPECT_EQ(router.Choose(Loads{0, 500, 600}, Prompt(1, 64)), 0U);
  EXPECT_EQ(router.Choose(Loads{0, 500, Router::kMoreTokens + 1}, Prompt(0, 64)), 1U);
  router.Forget(2);
  EXPECT_EQ(router.Choose(Loads{0, 500, 600}, Prompt(0, 64)), 1U);
}

TEST(Router, RemembersABoundedNumberOfBlocks) {
  Router router(2, 4);
  router.Note(1, Prompt(0, 16));
  for (std::int32_t first = 100; first < 104; ++first) router.Note(1, Prompt(first, 16));
  EXPECT_EQ(router.Choose(Loads{0, 1}, Prompt(0, 16)), 1U);
  for (std::int32_t first = 200; first < 210; ++first) router.Note(1, Prompt(first, 16));
  EXPECT_EQ(router.Choose(Loads{0, 1}, Prompt(0, 16)), 0U);
}

}  // namespace
}  // namespace lockstep
