#include "runtime/progress/load_progress.h"

#include <gtest/gtest.h>

#include "runtime/progress/terminal.h"

namespace lockstep {
namespace {

TEST(LoadText, HasBytesSpeedAndTheTimeThatIsLeft) {
  EXPECT_EQ(LoadText(4e9, 0.25, 0.0), "loading 1.0 of 4.0 GB");
  EXPECT_EQ(LoadText(4e9, 0.25, 0.5e9), "loading 1.0 of 4.0 GB, 0.5 GB/s, 6 s left");
  EXPECT_EQ(LoadText(8e6, 0.5, 2e6), "loading 4 of 8 MB, 2 MB/s, 2 s left");
  EXPECT_EQ(LoadText(4e9, 1.0, 0.5e9), "loading 4.0 of 4.0 GB, 0.5 GB/s");
}

TEST(LoadingLine, IsALineThatIsTakenAwayAtTheEnd) {
  std::string shown;
  LoadingLine report({.sink = [&](std::string_view text) { shown += text; }, .terminal_period = {}},
                     2e9);
  report.Note(1, 2);
  EXPECT_TRUE(shown.starts_with("\r\x1b[Klockstep: loading 1.0 of 2.0 GB")) << shown;
  report.Note(2, 2);
  EXPECT_TRUE(shown.ends_with("\r\x1b[K")) << shown;
}

TEST(MovingRate, ForgetsWhatWasBeforeTheWindow) {
  MovingRate rate(10.0);
  EXPECT_EQ(rate.per_second(), 0.0);
  rate.Add(0.0, 0.0);
  EXPECT_EQ(rate.per_second(), 0.0);
  rate.Add(5.0, 500.0);
  EXPECT_DOUBLE_EQ(rate.per_second(), 100.0);
  for (double second = 6.0; second <= 30.0; ++second) rate.Add(second, 500.0 + (second - 5.0));
  EXPECT_DOUBLE_EQ(rate.per_second(), 1.0);
}

TEST(MovingRate, IsRightHoweverOftenItIsAsked) {
  MovingRate rate(10.0);
  for (int i = 0; i <= 100'000; ++i) rate.Add(1e-3 * i, 2e-3 * i);
  EXPECT_NEAR(rate.per_second(), 2.0, 1e-9);
}

TEST(FittingLine, LeavesTheLastColumnFree) {
  EXPECT_EQ(FittingLine("lockstep", 80), "lockstep");
  EXPECT_EQ(FittingLine("lockstep", 8), "lockste");
  EXPECT_EQ(FittingLine("lockstep", 9), "lockstep");
}

}  // namespace
}  // namespace lockstep
