#include "runtime/memory/memory_check.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/error.h"
#include "tests/support/message_of.h"
#include "tests/support/ranks_alike.h"

namespace lockstep {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

MemoryPool Host(double free_bytes) {
  return {.id = MemoryPool::kHost, .name = "the host's memory", .free_bytes = free_bytes};
}

MemoryClaim Claim(int rank, const MemoryPool& pool) {
  return {.pool = pool,
          .need = {.weights = 5e9, .cache = 0.5e9, .activations = 0.1e9, .staging = 0.05e9},
          .otherwise = {{"bf16", 5.65e9}, {"int8", 2.9e9}, {"int4", 1.6e9}},
          .rank = rank};
}

TEST(MemoryClaims, ThatFitAreNotMentioned) {
  EXPECT_EQ(WhyTooLittleMemory({}, HostMap()), "");
  EXPECT_EQ(WhyTooLittleMemory({Claim(0, Host(5.65e9))}, HostsNamed({"a"})), "");
  EXPECT_EQ(WhyTooLittleMemory({Claim(0, Host(6e9)), Claim(1, Host(6e9))}, HostsNamed({"a", "b"})),
            "");
}

TEST(MemoryClaims, OfOneHostAreAdded) {
  EXPECT_EQ(WhyTooLittleMemory({Claim(0, Host(6e9)), Claim(1, Host(9e9)), Claim(2, Host(8.9e9))},
                               HostsNamed({"a", "b", "b"})),
            "2 ranks on b need 11.3 GB (weights 10.0 GB, KV cache 1.0 GB, buffers 300.0 MB), 8.9 "
            "GB are free in the host's memory; --dtype int8 needs 5.8 GB, --dtype int4 needs 3.2 "
            "GB, --tp over more hosts or devices divides the weights, engine.cache_tokens says how "
            "much cache there is, engine.memory_check off tries it all the same");
}

TEST(MemoryClaims, OnLimitsOfAProcessAreNotAdded) {
  MemoryPool limit{.id = MemoryPool::kOwn, .name = "the limit of ulimit -v", .free_bytes = 6e9};
  EXPECT_EQ(WhyTooLittleMemory({Claim(0, limit), Claim(1, limit)}, HostsNamed({"a", "a"})), "");
  limit.free_bytes = 5e9;
  EXPECT_THAT(WhyTooLittleMemory({Claim(0, Host(9e9)), Claim(0, limit)}, HostsNamed({"a"})),
              AllOf(HasSubstr("rank 0 on a needs 5.7 GB"), HasSubstr("ulimit -v")));
}

TEST(MemoryClaims, OnAControlGroupAreThoseOfItsRanks) {
  const MemoryPool outer{.id = 77, .name = "the control group /job", .free_bytes = 10e9};
  const MemoryPool one{.id = 78, .name = "the control group /job/1", .free_bytes = 9e9};
  const MemoryPool two{.id = 79, .name = "the control group /job/2", .free_bytes = 9e9};
  EXPECT_THAT(
      WhyTooLittleMemory({Claim(0, one), Claim(0, outer), Claim(1, two), Claim(1, outer)},
                         HostsNamed({"a", "a"})),
      AllOf(HasSubstr("2 ranks on a need 11.3 GB"), HasSubstr("in the control group /job;")));
}

TEST(CheckMemory, RefusesOnEveryRankWhatTheHostHasNoRoomFor) {
  RankAlike four(1, {"a", "a", "b", "c"});
  EXPECT_THAT(MessageOf([&] { CheckMemory(four, {Claim(1, Host(11e9))}); }, ExitCode::kEnvironment),
              HasSubstr("2 ranks on a need 11.3 GB"));
  CheckMemory(four, {Claim(1, Host(12e9))});
  CheckMemory(four, {});
}

TEST(ShareOfMemory, IsThatOfThePoolThatLeavesTheLeast) {
  RankAlike two(0, {"a", "a", "b"});
  EXPECT_EQ(ShareOfMemory(two, {Host(10.0)}), 5.0);
  EXPECT_EQ(ShareOfMemory(two, {Host(10.0), {.id = 0, .name = "own", .free_bytes = 4.0}}), 4.0);
  EXPECT_EQ(ShareOfMemory(two, {Host(10.0), {.id = 9, .name = "group", .free_bytes = 4.0}}), 2.0);
  EXPECT_GT(ShareOfMemory(two, {}), 1e300);
}

}  // namespace
}  // namespace lockstep
