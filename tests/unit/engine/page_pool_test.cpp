#include "engine/page_pool.h"

#include <gtest/gtest.h>

#include "core/error.h"

namespace lockstep {
namespace {

TEST(PagePool, GivesTheLowestFreePagesFirst) {
  PagePool pool(4);
  EXPECT_EQ(pool.Take(3), (std::vector<std::int32_t>{0, 1, 2}));
  pool.Return({1});
  EXPECT_EQ(pool.Take(2), (std::vector<std::int32_t>{1, 3}));
  EXPECT_EQ(pool.free_count(), 0);
}

TEST(PagePool, RefusesMoreThanItHasAndReturnsTooMany) {
  PagePool pool(2);
  EXPECT_THROW(pool.Take(3), Error);
  EXPECT_THROW(pool.Return({0}), Error);
}

}  // namespace
}  // namespace lockstep
