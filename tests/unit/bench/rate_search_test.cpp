#include "bench/load/rate_search.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>

#include "bench/load/workload.h"

namespace lockstep {
namespace {

// Searches where the target is met up to a rate. Gives the number of trials.
int SearchUpTo(RateSearch& search, double limit) {
  int trials = 0;
  for (auto rate = search.Next(); rate && trials < 100; rate = search.Next(), ++trials)
    search.Report(*rate <= limit ? Trial::kMet : Trial::kMissed);
  return trials;
}

TEST(RateSearch, FindsARateFromAboveAndFromBelow) {
  for (const double limit : {0.013, 0.9, 1.0, 7.3, 240.0}) {
    RateSearch search(1.0, 1e-3, 0.05);
    EXPECT_LT(SearchUpTo(search, limit), 20) << limit;
    ASSERT_TRUE(search.met()) << limit;
    EXPECT_LE(*search.met(), limit);
    EXPECT_GE(*search.met() * 1.05, limit);
    EXPECT_GT(*search.missed(), limit);
  }
}

TEST(RateSearch, EndsWhereNoRateMeetsTheTarget) {
  RateSearch search(1.0, 1e-3, 0.05);
  EXPECT_LT(SearchUpTo(search, 0.0), 20);
  EXPECT_FALSE(search.met());
}

TEST(RateSearch, EndsWhereATrialCanNotTell) {
  RateSearch search(1.0, 1e-3, 0.05);
  search.Report(Trial::kMet);
  EXPECT_DOUBLE_EQ(*search.Next(), 2.0);
  search.Report(Trial::kTooShort);
  EXPECT_FALSE(search.Next());
  EXPECT_TRUE(search.is_open());
  EXPECT_DOUBLE_EQ(*search.met(), 1.0) << "nothing is known of the rate of such a trial";
}

TEST(RateSearch, HasNoRateWhereEveryTrialIsTooShortOrMisses) {
  RateSearch search(1.0, 1e-3, 0.05);
  search.Report(Trial::kMissed);
  EXPECT_DOUBLE_EQ(*search.Next(), 0.5);
  int trials = 0;
  for (; search.Next() && trials < 100; ++trials) search.Report(Trial::kTooShort);
  EXPECT_LT(trials, 20);
  EXPECT_TRUE(search.is_open());
  EXPECT_FALSE(search.met());
  EXPECT_DOUBLE_EQ(*search.missed(), 1.0);
}

TEST(RateSearch, TriesLowerRatesWhereTheFirstTrialIsTooShort) {
  RateSearch search(1.0, 1e-3, 0.05);
  search.Report(Trial::kTooShort);
  EXPECT_DOUBLE_EQ(*search.Next(), 0.5);
  search.Report(Trial::kMet);
  EXPECT_DOUBLE_EQ(*search.Next(), 1.0);
  search.Report(Trial::kTooShort);
  EXPECT_FALSE(search.Next());
  EXPECT_DOUBLE_EQ(*search.met(), 0.5);
}

// A server with one place, which takes so long for each request, on a clock that only this counts.
double ShareWithin(double rate, double service_seconds, double limit_seconds) {
  const auto arrivals = ArrivalTimes({.rate = rate, .count = 4000, .seed = 5});
  double free_at = 0.0;
  std::int64_t good = 0;
  for (const double arrival : arrivals) {
    free_at = std::max(free_at, arrival) + service_seconds;
    if (free_at - arrival <= limit_seconds) ++good;
  }
  return static_cast<double>(good) / static_cast<double>(arrivals.size());
}

// The wait before such a server is known: of an M/D/1 queue at half load, 90 % of the requests are
// through within about 2.6 times the service.
TEST(RateSearch, FindsWhatAQueueCanBear) {
  constexpr double kService = 0.1;
  RateSearch search(1.0, 1e-3, 0.02);
  for (auto rate = search.Next(); rate; rate = search.Next())
    search.Report(ShareWithin(*rate, kService, 0.26) >= 0.9 ? Trial::kMet : Trial::kMissed);
  ASSERT_TRUE(search.met());
  EXPECT_NEAR(*search.met(), 5.0, 0.7);
}

}  // namespace
}  // namespace lockstep
