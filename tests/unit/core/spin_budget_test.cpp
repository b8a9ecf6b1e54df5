#include "core/threads/spin_budget.h"

#include <gtest/gtest.h>

namespace lockstep {
namespace {

TEST(SpinBudget, BeginsWithWhatIsWorthIt) { EXPECT_EQ(SpinBudget(200'000).nanoseconds(), 200'000); }

TEST(SpinBudget, LongWaitsHalveIt) {
  SpinBudget budget(200'000);
  budget.Learn(4'000'000);
  EXPECT_EQ(budget.nanoseconds(), 100'000);
  for (int i = 0; i < 40; ++i) budget.Learn(4'000'000);
  EXPECT_GT(budget.nanoseconds(), 0) << "or it could not grow again";
  EXPECT_LT(budget.nanoseconds(), 5'000);
}

TEST(SpinBudget, ShortWaitsBringItBack) {
  SpinBudget budget(200'000);
  for (int i = 0; i < 40; ++i) budget.Learn(4'000'000);
  for (int i = 0; i < 40; ++i) budget.Learn(150'000);
  EXPECT_EQ(budget.nanoseconds(), 200'000);
}

TEST(SpinBudget, WaitsFarBelowItSayNothing) {
  SpinBudget budget(200'000);
  budget.Learn(4'000'000);
  for (int i = 0; i < 40; ++i) budget.Learn(10'000);
  EXPECT_EQ(budget.nanoseconds(), 100'000);
}

}  // namespace
}  // namespace lockstep
