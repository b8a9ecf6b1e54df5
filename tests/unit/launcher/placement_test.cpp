#include "launcher/world/placement.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <string>
#include <utility>
#include <vector>

#include "comm/self_communicator.h"
#include "core/affinity.h"

namespace lockstep {
namespace {

// One rank of several on hosts as named, whose peers are as this one is.
class Alike : public Communicator {
 public:
  Alike(int rank, std::vector<std::string> hosts) : rank_(rank), hosts_(std::move(hosts)) {}

  int rank() const override { return rank_; }
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
  void set_waiting(Waiting waiting) override { waiting_ = waiting; }
  Waiting waiting() const { return waiting_; }

 private:
  int rank_;
  std::vector<std::string> hosts_;
  Waiting waiting_ = Waiting::kYields;
};

int Cores() { return static_cast<int>(AllowedCores().size()); }

TEST(PlaceRank, GivesASingleRankEverything) {
  SelfCommunicator self;
  const Placement placement = PlaceRank(self, {});
  EXPECT_EQ(placement.threads, Cores());
  EXPECT_EQ(placement.cores, AllowedCores());
}

TEST(PlaceRank, BindsNothingWhenNobodyWantsIt) {
  SelfCommunicator self;
  EXPECT_THAT(PlaceRank(self, {.threads = 1, .bind = Binding::kNone}).cores, ::testing::IsEmpty());
}

TEST(PlaceRank, BindsAndSpinsOnlyWhereThreadsHaveCores) {
  Alike crowd(1, std::vector<std::string>(static_cast<std::size_t>(Cores()) + 1, "a"));
  EXPECT_THAT(PlaceRank(crowd, {}).cores, ::testing::IsEmpty());
  EXPECT_EQ(crowd.waiting(), Communicator::Waiting::kYields);
  Alike many_threads(0, {"a"});
  EXPECT_THAT(PlaceRank(many_threads, {.threads = Cores() + 1}).cores, ::testing::IsEmpty());
  EXPECT_EQ(many_threads.waiting(), Communicator::Waiting::kYields);
}

TEST(PlaceRank, GivesEveryRankOfAHostItsOwnCores) {
  std::vector<int> used;
  for (int rank = 0; rank < Cores(); ++rank) {
    // Ranks elsewhere take nothing away.
    std::vector<std::string> hosts(static_cast<std::size_t>(Cores()), "a");
    hosts.insert(hosts.end(), 3, "b");
    Alike comm(rank, hosts);
    const Placement placement = PlaceRank(comm, {});
    EXPECT_EQ(placement.threads, 1);
    EXPECT_EQ(placement.cores.size(), 1u);
    EXPECT_EQ(comm.waiting(), Communicator::Waiting::kSpins);
    used.insert(used.end(), placement.cores.begin(), placement.cores.end());
  }
  EXPECT_EQ(used, AllowedCores());
}

}  // namespace
}  // namespace lockstep
