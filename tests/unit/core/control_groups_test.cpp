#include "core/control_groups.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "core/memory_pools.h"
#include "tests/support/test_data.h"

namespace lockstep {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::Field;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr const char* kGroupTwo = "31 23 0:28 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw\n";

// A folder with the files of a system as a process sees them.
class System : public ::testing::Test {
 protected:
  void Write(const std::string& path, const std::string& text) {
    const auto file = folder_ / path;
    std::filesystem::create_directories(file.parent_path());
    WriteText(file, text);
  }
  void InGroup(const std::string& lines, const std::string& mounts = kGroupTwo) {
    Write("proc/self/cgroup", lines);
    Write("proc/self/mountinfo", "22 1 0:5 / / rw - ext4 /dev/sda rw\n" + mounts);
  }
  // Files of a group of version 2.
  void Limit(const std::string& group, const std::string& most, const std::string& used) {
    Write("sys/fs/cgroup/" + group + "/memory.max", most + "\n");
    Write("sys/fs/cgroup/" + group + "/memory.current", used + "\n");
  }
  std::vector<double> MemoryLeft() const { return Amounts(GroupMemoryLeft(root())); }
  std::vector<double> Cpus() const { return Amounts(GroupCpuLimits(root())); }
  std::filesystem::path root() const { return folder_ / ""; }

 private:
  static std::vector<double> Amounts(const std::vector<GroupLimit>& limits) {
    std::vector<double> amounts;
    for (const GroupLimit& limit : limits) amounts.push_back(limit.amount);
    return amounts;
  }

  TemporaryFolder folder_;
};

using ControlGroups = System;

TEST_F(ControlGroups, AreNoneWhereTheSystemHasNone) {
  EXPECT_THAT(MemoryLeft(), IsEmpty());
  InGroup("");
  EXPECT_THAT(MemoryLeft(), IsEmpty());
  InGroup("0::/a\n", "");
  EXPECT_THAT(MemoryLeft(), IsEmpty());
  InGroup("nonsense\n1:2\n:\n", "31 23 / -\n- - - - -\n");
  EXPECT_THAT(MemoryLeft(), IsEmpty());
}

TEST_F(ControlGroups, CountEveryLimitOnTheWayUp) {
  InGroup("0::/job/step/task\n");
  Limit("job", "3000", "1000");
  Limit("job/step", "max", "900");
  Limit("job/step/task", "5000", "500");
  Limit("neighbour", "10", "0");
  EXPECT_THAT(MemoryLeft(), ElementsAre(4500.0, 2000.0));
}

TEST_F(ControlGroups, OfAContainerAreAtTheMountItself) {
  InGroup("0::/\n");  // its own namespace
  Write("sys/fs/cgroup/memory.max", "3000");
  Write("sys/fs/cgroup/memory.current", "1000");
  EXPECT_THAT(MemoryLeft(), ElementsAre(2000.0));
  InGroup("0::/docker/abc\n", "31 23 0:28 /docker/abc /sys/fs/cgroup ro - cgroup2 cgroup ro\n");
  EXPECT_THAT(MemoryLeft(), ElementsAre(2000.0));
  InGroup("0::/docker/abc/task\n",
          "31 23 0:28 /docker/abc /sys/fs/cgroup ro - cgroup2 cgroup ro\n");
  Limit("task", "900", "0");
  EXPECT_THAT(MemoryLeft(), ElementsAre(900.0, 2000.0));
  for (const char* unseen :
       {"0::/user.slice/of/the/host\n", "0::/../../of/the/host\n", "0::/..\n"}) {
    InGroup(unseen);
    EXPECT_THAT(MemoryLeft(), ElementsAre(2000.0)) << unseen;
  }
  InGroup("0::/docker/abc\n", "31 23 0:28 /docker/ab /sys/fs/cgroup ro - cgroup2 cgroup ro\n");
  EXPECT_THAT(MemoryLeft(), ElementsAre(2000.0));
}

TEST_F(ControlGroups, ThatSlowDownCountAsLimits) {
  InGroup("0::/job\n");
  Limit("job", "3000", "1000");
  Write("sys/fs/cgroup/job/memory.high", "1500\n");
  EXPECT_THAT(MemoryLeft(), ElementsAre(500.0));
  Limit("job", "max", "9000");
  EXPECT_THAT(MemoryLeft(), ElementsAre(0.0)) << "never less than nothing";
}

TEST_F(ControlGroups, GetBackTheMemoryOfFilesThatAreOnlyCached) {
  InGroup("0::/job\n");
  Limit("job", "3000", "2500");
  Write("sys/fs/cgroup/job/memory.stat",
        "anon 800\nfile 1700\nshmem 200\ninactive_file 1000\nactive_file 500\n");
  EXPECT_THAT(MemoryLeft(), ElementsAre(2000.0));
}

constexpr const char* kGroupsOne =
    "32 31 0:29 / /sys/fs/cgroup/cpu\\040time rw shared:9 master:2 - cgroup cgroup rw,cpu,cpuacct\n"
    "35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n";
constexpr const char* kPathsOne = "4:memory:/batch/job\n1:cpu,cpuacct:/batch\n9:name=systemd:/x\n";

TEST_F(ControlGroups, OfVersionOneHaveTheirMemory) {
  InGroup(kPathsOne, kGroupsOne);
  const std::string batch = "sys/fs/cgroup/memory/batch/";
  Write(batch + "memory.limit_in_bytes", "3000\n");
  Write(batch + "memory.usage_in_bytes", "1200\n");
  Write(batch + "memory.stat",
        "inactive_file 1\ntotal_inactive_file 150\ntotal_active_file 50\n"
        "hierarchical_memory_limit 3000\n");
  Write(batch + "job/memory.limit_in_bytes", "9223372036854771712\n");
  Write(batch + "job/memory.usage_in_bytes", "700\n");
  EXPECT_THAT(MemoryLeft(), ElementsAre(2000.0));
  // Of a group above that this container does not see.
  Write(batch + "job/memory.stat", "hierarchical_memory_limit 1000\n");
  EXPECT_THAT(MemoryLeft(), ElementsAre(300.0, 2000.0));
}

TEST_F(ControlGroups, OfBothVersionsCountSideBySide) {
  InGroup(std::string(kPathsOne) + "0::/system.slice/job\n",
          std::string(kGroupsOne) +
              "41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw,nsdelegate\n");
  Write("sys/fs/cgroup/memory/batch/job/memory.limit_in_bytes", "500\n");
  Write("sys/fs/cgroup/unified/system.slice/job/cpu.max", "50000 100000\n");
  EXPECT_THAT(MemoryLeft(), ElementsAre(500.0));
  EXPECT_THAT(Cpus(), ElementsAre(0.5));
}

TEST_F(ControlGroups, HaveQuotasOfProcessorTime) {
  InGroup("0::/job/task\n");
  Write("sys/fs/cgroup/job/task/cpu.max", "max 100000\n");
  EXPECT_THAT(Cpus(), IsEmpty());
  Write("sys/fs/cgroup/job/task/cpu.max", "400000 100000\n");
  Write("sys/fs/cgroup/job/cpu.max", "75000 50000\n");
  EXPECT_THAT(Cpus(), ElementsAre(4.0, 1.5));
  InGroup(kPathsOne, kGroupsOne);
  const std::string batch = "sys/fs/cgroup/cpu time/batch/";
  Write(batch + "cpu.cfs_quota_us", "-1\n");
  Write(batch + "cpu.cfs_period_us", "100000\n");
  EXPECT_THAT(Cpus(), IsEmpty());
  Write(batch + "cpu.cfs_quota_us", "50000\n");
  EXPECT_THAT(Cpus(), ElementsAre(0.5));
}

TEST_F(ControlGroups, AreKnownByTheSameNumberInEveryProcess) {
  Limit("job", "3000", "0");
  Limit("job/one", "1000", "0");
  Limit("job/two", "1000", "0");
  InGroup("0::/job/one\n");
  const auto one = GroupMemoryLeft(root());
  InGroup("0::/job/two\n");
  const auto two = GroupMemoryLeft(root());
  ASSERT_THAT(one, SizeIs(2));
  ASSERT_THAT(two, SizeIs(2));
  EXPECT_NE(one[0].group, two[0].group);
  EXPECT_EQ(one[1].group, two[1].group);
  EXPECT_THAT(one[1].folder, EndsWith("/sys/fs/cgroup/job"));
}

using Pools = System;

auto PoolIs(std::uint64_t id, double free_bytes) {
  return AllOf(Field(&MemoryPool::id, id), Field(&MemoryPool::free_bytes, free_bytes));
}

TEST_F(Pools, AreTheHostItsGroupsAndTheLimitsOfTheProcess) {
  Write("proc/meminfo", "MemTotal:       100 kB\nMemFree:   5 kB\nMemAvailable:    50 kB\nX: y\n");
  Write("proc/self/status", "Name:\tlockstep\nVmSize:\t    10 kB\nVmData:\t     2 kB\n");
  Write("proc/self/limits",
        "Limit                     Soft Limit           Hard Limit           Units     \n"
        "Max data size             unlimited            unlimited            bytes     \n"
        "Max address space         20480                unlimited            bytes     \n");
  const auto host = PoolIs(MemoryPool::kHost, 51200.0);
  const auto address_space = PoolIs(MemoryPool::kOwn, 10240.0);
  EXPECT_THAT(MemoryPools(root()), ElementsAre(host, address_space));
  InGroup("0::/job\n");
  Limit("job", "3000", "1000");
  EXPECT_THAT(MemoryPools(root()),
              ElementsAre(host, Field(&MemoryPool::free_bytes, 2000.0), address_space));
}

TEST_F(Pools, AreNoneWhereNothingIsKnown) { EXPECT_THAT(MemoryPools(root()), IsEmpty()); }

// Whatever this machine has.
TEST(MemoryPoolsHere, AreWhatThisProcessCanHave) {
  const auto pools = MemoryPools();
  ASSERT_FALSE(pools.empty());
  for (const MemoryPool& pool : pools) EXPECT_GT(pool.free_bytes, 1e6) << pool.name;
}

}  // namespace
}  // namespace lockstep
