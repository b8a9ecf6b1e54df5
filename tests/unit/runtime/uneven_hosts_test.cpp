#include "runtime/placement/uneven_hosts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace lockstep {
namespace {

using ::testing::HasSubstr;

std::string Why(const std::vector<std::string>& names) {
  std::vector<RankHost> ranks;
  for (const std::string& name : names) ranks.push_back({.name = name, .machine = name});
  return WhyMemoryIsNotShared(HostMap(ranks));
}

TEST(WhyMemoryIsNotShared, SaysNothingWhereItIsOrNobodyCould) {
  EXPECT_EQ(Why({"a"}), "");
  EXPECT_EQ(Why({"a", "a", "a"}), "");
  EXPECT_EQ(Why({"a", "a", "b", "b"}), "");
  EXPECT_EQ(Why({"a", "b", "c"}), "");
}

TEST(WhyMemoryIsNotShared, NamesWhatIsUnevenAndWhatToDo) {
  EXPECT_THAT(Why({"a", "a", "a", "b"}), HasSubstr("the hosts have 3 and 1 of the ranks"));
  EXPECT_THAT(Why({"a", "a", "a", "b", "b", "b"}),
              HasSubstr("the hosts have 3 and 3 of the ranks"));
  EXPECT_THAT(Why({"a", "a", "a", "b"}), HasSubstr("srun --ntasks-per-node=N"));
}

TEST(WhyMemoryIsNotShared, NamesTheOrder) {
  EXPECT_THAT(Why({"a", "b", "a", "b"}), HasSubstr("not numbered host by host"));
  EXPECT_THAT(Why({"a", "b", "a", "b"}), HasSubstr("mpirun --map-by slot"));
}

}  // namespace
}  // namespace lockstep
