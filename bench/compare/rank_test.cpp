#include "bench/compare/rank_test.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <map>
#include <numeric>

namespace lockstep {
namespace {

// Beyond so many ways to split the values in two the approximation is good enough.
constexpr double kMostWays = 1e7;

// Twice the rank of each value, so that the mean rank of equal ones is whole.
std::vector<long> DoubledRanks(const std::vector<double>& values) {
  std::vector<std::size_t> order(values.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(),
            [&](std::size_t x, std::size_t y) { return values[x] < values[y]; });
  std::vector<long> ranks(values.size());
  for (std::size_t begin = 0; begin < order.size();) {
    std::size_t end = begin + 1;
    while (end < order.size() && values[order[end]] == values[order[begin]]) ++end;
    for (std::size_t i = begin; i < end; ++i) ranks[order[i]] = static_cast<long>(begin + 1 + end);
    begin = end;
  }
  return ranks;
}

double Ways(std::size_t all, std::size_t chosen) {
  double ways = 1.0;
  for (std::size_t i = 1; i <= chosen; ++i)
    ways *= static_cast<double>(all - chosen + i) / static_cast<double>(i);
  return ways;
}

// The share of all choices of `count` ranks whose sum is as far from the middle as `sum` is.
double ExactShare(const std::vector<long>& ranks, std::size_t count, long sum) {
  std::vector<std::map<long, double>> sums(count + 1);  // of so many ranks: sum -> choices
  sums[0][0] = 1.0;
  for (const long rank : ranks)
    for (std::size_t chosen = count; chosen > 0; --chosen)
      for (const auto& [before, ways] : sums[chosen - 1]) sums[chosen][before + rank] += ways;
  const long total = std::accumulate(ranks.begin(), ranks.end(), 0L);
  const double middle =
      static_cast<double>(total) * static_cast<double>(count) / static_cast<double>(ranks.size());
  const double distance = std::abs(static_cast<double>(sum) - middle);
  double as_far = 0.0;
  double all = 0.0;
  for (const auto& [value, ways] : sums[count]) {
    all += ways;
    if (std::abs(static_cast<double>(value) - middle) >= distance - 1e-9) as_far += ways;
  }
  return as_far / all;
}

double ApproximateShare(const std::vector<long>& ranks, std::size_t count, long sum) {
  const auto all = static_cast<double>(ranks.size());
  const auto first = static_cast<double>(count);
  const double mean = first * (all + 1.0);  // of doubled ranks
  double squares = 0.0;
  for (const long rank : ranks) {
    const double away = static_cast<double>(rank) - (all + 1.0);
    squares += away * away;
  }
  const double variance = first * (all - first) / (all * (all - 1.0)) * squares;
  if (variance <= 0.0) return 1.0;
  const double away = std::max(std::abs(static_cast<double>(sum) - mean) - 1.0, 0.0);
  return std::erfc(away / std::sqrt(2.0 * variance));
}

}  // namespace

double RankTest(const std::vector<double>& a, const std::vector<double>& b) {
  if (a.empty() || b.empty()) return 1.0;
  std::vector<double> values = a;
  values.insert(values.end(), b.begin(), b.end());
  const std::vector<long> ranks = DoubledRanks(values);
  const long sum =
      std::accumulate(ranks.begin(), ranks.begin() + static_cast<std::ptrdiff_t>(a.size()), 0L);
  if (Ways(values.size(), a.size()) > kMostWays) return ApproximateShare(ranks, a.size(), sum);
  return ExactShare(ranks, a.size(), sum);
}

}  // namespace lockstep
