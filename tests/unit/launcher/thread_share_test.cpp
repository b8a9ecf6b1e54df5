#include "launcher/world/thread_share.h"

#include <gtest/gtest.h>
#include <sched.h>

#include <cstdlib>

#include "comm/self_communicator.h"

namespace lockstep {
namespace {

// Rank 0 of several on hosts as named, whose peers may all run on the same cores as itself.
class Neighbours : public Communicator {
 public:
  explicit Neighbours(std::vector<std::string> hosts) : hosts_(std::move(hosts)) {}

  int rank() const override { return 0; }
  int size() const override { return static_cast<int>(hosts_.size()); }
  std::string host(int rank) const override { return hosts_[static_cast<std::size_t>(rank)]; }
  std::vector<Bytes> AllGather(std::span<const std::byte> mine) override {
    return std::vector<Bytes>(hosts_.size(), Bytes(mine.begin(), mine.end()));
  }
  void AllReduceSum(const TensorView&, Stream) override {}
  std::vector<Bytes> Gather(std::span<const std::byte> mine) override { return AllGather(mine); }
  void Broadcast(Bytes&) override {}
  void Barrier() override {}
  [[noreturn]] void Abort(int exit_code) override { std::exit(exit_code); }

 private:
  std::vector<std::string> hosts_;
};

int Cores() {
  cpu_set_t cores;
  CPU_ZERO(&cores);
  ::sched_getaffinity(0, sizeof(cores), &cores);
  return CPU_COUNT(&cores);
}

TEST(ThreadShare, GivesASingleRankAllItsCores) {
  SelfCommunicator self;
  EXPECT_EQ(ThreadShare(self, 0), Cores());
}

TEST(ThreadShare, GivesWhatIsAskedFor) {
  SelfCommunicator self;
  EXPECT_EQ(ThreadShare(self, 7), 7);
}

TEST(ThreadShare, DividesCoresAmongTheRanksOfAHost) {
  Neighbours two({"a", "a"});
  EXPECT_EQ(ThreadShare(two, 0), std::max(1, Cores() / 2));
}

TEST(ThreadShare, DoesNotDivideWithRanksElsewhere) {
  Neighbours apart({"a", "b", "c"});
  EXPECT_EQ(ThreadShare(apart, 0), Cores());
}

TEST(ThreadShare, IsAtLeastOne) {
  Neighbours crowd(std::vector<std::string>(1000, "a"));
  EXPECT_EQ(ThreadShare(crowd, 0), 1);
}

}  // namespace
}  // namespace lockstep
