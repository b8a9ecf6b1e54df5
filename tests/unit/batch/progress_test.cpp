#include "batch/progress.h"

#include <gtest/gtest.h>

namespace lockstep {
namespace {

TEST(Progress, SaysHowFarHowFastAndHowLongYet) {
  EXPECT_EQ(
      ProgressText({.done = 412, .total = 2000, .resumed = 12, .tokens = 50000, .seconds = 40.0}),
      "412 of 2000 lines, 1250 tokens/s, 3 min left");
  EXPECT_EQ(ProgressText({.done = 2000, .total = 2000, .resumed = 0, .tokens = 9, .seconds = 3.0}),
            "2000 of 2000 lines, 3 tokens/s");
  EXPECT_EQ(ProgressText({.done = 5, .total = 10, .resumed = 5, .tokens = 0, .seconds = 1.0}),
            "5 of 10 lines");
  EXPECT_EQ(
      ProgressText(
          {.done = 9, .total = 10, .resumed = 0, .tokens = 90, .seconds = 9.0, .groups = {5, 4}}),
      "9 of 10 lines (2 groups: 5 + 4), 10 tokens/s, 1 s left");
  EXPECT_EQ(ProgressText({.done = 10,
                          .total = 30,
                          .resumed = 0,
                          .tokens = 1000,
                          .seconds = 100.0,
                          .tokens_per_second = 50.0,
                          .in_work = 8}),
            "10 of 30 lines, 8 in work, 50 tokens/s, 40 s left");
  EXPECT_EQ(ProgressText({.done = 45, .total = 45, .groups = {5, 4, 6, 5, 5, 5, 5, 5, 5}}),
            "45 of 45 lines (9 groups: 4 to 6 each)");
}

TEST(Totals, SayWhatAJobHasMadeAndInWhatTime) {
  EXPECT_EQ(TotalsText({.done = 2000, .total = 2000, .tokens = 51200, .seconds = 40.0}, 0),
            "2000 of 2000 lines: 51200 tokens in 40.0 s, 1280 tokens/s");
  EXPECT_EQ(TotalsText({.done = 10,
                        .total = 10,
                        .resumed = 4,
                        .tokens = 60,
                        .seconds = 6.0,
                        .unit = "requests",
                        .groups = {4, 2}},
                       3),
            "10 of 10 requests (2 groups: 4 + 2), 4 done before, 3 failed: 60 tokens in 6.0 s, "
            "10 tokens/s");
  EXPECT_EQ(TotalsText({.done = 1, .total = 1, .seconds = 0.02}, 1),
            "1 of 1 lines, 1 failed: 0 tokens in 0.0 s");
}

}  // namespace
}  // namespace lockstep
