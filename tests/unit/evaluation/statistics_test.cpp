// The expected numbers are those of lm-evaluation-harness's functions in Python.
#include "evaluation/numbers/statistics.h"

#include <gtest/gtest.h>

#include <array>

namespace lockstep {
namespace {

constexpr std::array kValues = {-1.5, -0.25, -3.0, -2.0};

TEST(Statistics, AreThoseOfTheHarness) {
  EXPECT_DOUBLE_EQ(Mean(kValues), -1.6875);
  EXPECT_DOUBLE_EQ(*MeanError(kValues), 0.5716842805838435);
  EXPECT_DOUBLE_EQ(PerplexityOf(kValues), 5.405948925141167);
}

TEST(Statistics, BootstrapDrawsTheSamplesOfTheHarness) {
  EXPECT_DOUBLE_EQ(*PerplexityError(kValues, 2000), 3.0062939932490136);
  EXPECT_DOUBLE_EQ(*PerplexityError(kValues, 10), 1.9867281120302518);
}

TEST(Statistics, OneValueHasNoError) {
  const std::array one = {-1.0};
  EXPECT_FALSE(MeanError(one));
  EXPECT_FALSE(PerplexityError(one));
}

}  // namespace
}  // namespace lockstep
