#include "engine/sampling/random.h"

#include <gtest/gtest.h>

#include <cmath>
#include <set>
#include <vector>

namespace lockstep {
namespace {

TEST(NoiseAt, DependsOnEveryArgument) {
  std::set<std::array<std::uint32_t, 4>> keys;
  for (const NoiseKey& key :
       {NoiseAt(1, 2, 3), NoiseAt(2, 2, 3), NoiseAt(1, 3, 3), NoiseAt(1, 2, 4),
        NoiseAt(1ull << 40, 2, 3), NoiseAt(1, 1ull << 40, 3), NoiseAt(1, 2, 1ull << 40)})
    keys.insert(key.words);
  EXPECT_EQ(keys.size(), 7u);
  EXPECT_EQ(NoiseAt(1, 2, 3), NoiseAt(1, 2, 3));
}

// Random123's known answers for philox4x32-10: counter and key all zeros, and all ones.
TEST(NoiseAt, IsPhilox) {
  using Words = std::array<std::uint32_t, 4>;
  EXPECT_EQ(NoiseAt(0, 0, 0).words, (Words{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  EXPECT_EQ(NoiseAt(~0ull, ~0ull, ~0ull).words,
            (Words{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
}

// Among equals every token wins as often as the others, whatever varies: seed, stream or position.
TEST(RaceScore, GivesEqualsEqualChances) {
  constexpr int kTokens = 100, kRaces = 20'000;
  for (const int varied : {0, 1, 2}) {
    std::vector<int> wins(kTokens), followed(kTokens);
    int last = 0;
    for (std::uint64_t race = 0; race < kRaces; ++race) {
      const NoiseKey key = varied == 0   ? NoiseAt(race, 0, 0)
                           : varied == 1 ? NoiseAt(0, race, 0)
                                         : NoiseAt(0, 0, race);
      int best = 0;
      double most = -INFINITY;
      for (int token = 0; token < kTokens; ++token) {
        const double score = RaceScore(key, token, 0.0f, 1.0);
        if (score > most) most = score, best = token;
      }
      ++wins[static_cast<std::size_t>(best)];
      ++followed[static_cast<std::size_t>((best - last + kTokens) % kTokens)];
      last = best;
    }
    for (const std::vector<int>& counts : {wins, followed}) {
      double chi_square = 0.0;
      for (const int count : counts) chi_square += (count - 200.0) * (count - 200.0) / 200.0;
      EXPECT_LT(chi_square, 99 + 5.0 * std::sqrt(2.0 * 99)) << varied;
      EXPECT_GT(chi_square, 99 - 5.0 * std::sqrt(2.0 * 99)) << varied;
    }
  }
}

// The noise is Gumbel's: its mean is Euler's constant, its variance pi^2 / 6, and its distribution
// function exp(-exp(-x)), far out as well.
TEST(RaceScore, AddsGumbelNoise) {
  constexpr int kTokens = 1 << 20;
  double sum = 0.0, squares = 0.0;
  int above_one = 0, above_ten = 0;
  for (int token = 0; token < kTokens; ++token) {
    const double noise = RaceScore(NoiseAt(3, 1, 4), token, 0.0f, 1.0);
    sum += noise;
    squares += noise * noise;
    above_one += noise > 1.0;
    above_ten += noise > 10.0;
  }
  const double mean = sum / kTokens;
  EXPECT_NEAR(mean, 0.5772157, 0.006);
  EXPECT_NEAR(squares / kTokens - mean * mean, 1.644934, 0.02);
  EXPECT_NEAR(above_one, kTokens * (1.0 - std::exp(-std::exp(-1.0))), 2500.0);
  EXPECT_NEAR(above_ten, kTokens * (1.0 - std::exp(-std::exp(-10.0))), 35.0);  // 47.6
}

}  // namespace
}  // namespace lockstep
