#include "runtime/memory/cache_size.h"

#include <gtest/gtest.h>

#include <limits>

#include "layers/kv_cache.h"

namespace lockstep {
namespace {

constexpr std::int64_t kMuch = 1'000'000;

TEST(FittingPages, AreThoseThatFitIntoTheirPartOfTheMemory) {
  EXPECT_EQ(FittingPages({.free_bytes = 1000, .fraction = 0.9, .page_bytes = 100, .most = kMuch}),
            9);
  EXPECT_EQ(FittingPages({.free_bytes = 999, .fraction = 0.9, .page_bytes = 100, .most = kMuch}),
            8);
  EXPECT_EQ(FittingPages({.free_bytes = 999, .fraction = 1.0, .page_bytes = 1000, .most = kMuch}),
            0);
}

TEST(FittingPages, AreAtLeastAndAtMostWhatTheyMustBe) {
  const CacheRoom room{
      .free_bytes = 1000, .fraction = 1.0, .page_bytes = 100, .least = 4, .most = 7};
  EXPECT_EQ(FittingPages(room), 7);
  CacheRoom small = room;
  small.free_bytes = 0;
  EXPECT_EQ(FittingPages(small), 4);
  small.free_bytes = -5;
  EXPECT_EQ(FittingPages(small), 4);
}

TEST(FittingPages, AreTheMostWhereNothingIsKnownOfTheMemory) {
  EXPECT_EQ(FittingPages({.free_bytes = std::numeric_limits<double>::infinity(),
                          .fraction = 0.5,
                          .page_bytes = 1,
                          .most = kMuch}),
            kMuch);
}

EngineLimits Sequences(std::int64_t most) {
  EngineLimits limits;
  limits.max_sequences = most;
  return limits;
}

EngineLimits Fraction(double fraction) {
  EngineLimits limits;
  limits.memory_fraction = fraction;
  return limits;
}

ModelSpec WithContext(std::int64_t tokens) {
  ModelSpec spec;
  spec.context_tokens = tokens;
  return spec;
}

TEST(CacheSize, IsWhatWasAskedFor) {
  EngineLimits limits;
  limits.cache_tokens = 33;
  EXPECT_EQ(AskedPages(limits), KvCache::PagesFor(33));
  EXPECT_EQ(AskedPages({}), std::nullopt);
}

TEST(CacheSize, IsBoundedByTheTextsOnAHostAndByPageNumbersOnADevice) {
  const std::int64_t context = KvCache::PagesFor(64);
  EXPECT_EQ(MostPages(CachePlace::kHost, Sequences(10), WithContext(64)), 10 * context);
  EXPECT_EQ(MostPages(CachePlace::kHost, Sequences(65536), WithContext(64)), 64 * context);
  EXPECT_EQ(MostPages(CachePlace::kDevice, Sequences(10), WithContext(64)), 2147483647);
}

TEST(CacheSize, TakesMoreOfADeviceThanOfAHostUnlessTold) {
  EXPECT_EQ(MemoryFraction(CachePlace::kDevice, {}), 0.9);
  EXPECT_EQ(MemoryFraction(CachePlace::kHost, {}), 0.5);
  EXPECT_EQ(MemoryFraction(CachePlace::kDevice, Fraction(0.2)), 0.2);
  EXPECT_EQ(MemoryFraction(CachePlace::kHost, Fraction(0.7)), 0.7);
}

}  // namespace
}  // namespace lockstep
