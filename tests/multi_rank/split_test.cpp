// Parts of a group, on as many ranks as mpirun started.
#include <gmock/gmock.h>

#include <cmath>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "comm/groups/process_grid.h"
#include "tests/multi_rank/multi_rank.h"
#include "tests/support/message_of.h"

namespace lockstep::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Bytes = ControlPlane::Bytes;

class SplitTest : public MultiRank {
 protected:
  // Orders of addition show in its bits.
  static float ValueOf(int world_rank) { return std::ldexp(1.0f, 7 * world_rank) / 3.0f; }

  // The world's ranks of a part, in its order.
  std::vector<int> RanksOf(ControlPlane& part) const {
    const int mine = rank();
    std::vector<int> ranks;
    for (const Bytes& bytes : part.AllGather(std::as_bytes(std::span(&mine, 1))))
      std::memcpy(&ranks.emplace_back(), bytes.data(), sizeof(int));
    return ranks;
  }

  // Checks sums, messages and order of the part, so many times.
  void ExpectWorks(Communicator& part, const std::vector<int>& ranks, int rounds) const {
    EXPECT_EQ(RanksOf(part), ranks);
    EXPECT_EQ(part.size(), static_cast<int>(ranks.size()));
    EXPECT_EQ(ranks[static_cast<std::size_t>(part.rank())], rank());
    std::vector<float> values;
    for (const int one : ranks) values.push_back(ValueOf(one));
    const Tensor memory = part.AllocateReducible({3000});
    for (int round = 0; round < rounds; ++round) {
      // Short sums, long ones, and memory of both kinds.
      std::vector<float> outside(round % 2 == 0 ? 5 : 2000, ValueOf(rank()));
      float* x = round % 3 == 0 ? memory.view().data<float>() : outside.data();
      std::fill_n(x, outside.size(), ValueOf(rank()));
      part.AllReduceSum(TensorView(x, DType::kF32, {static_cast<std::int64_t>(outside.size())}),
                        Stream{});
      EXPECT_EQ(x[0], SumTree(values));
      EXPECT_EQ(x[outside.size() - 1], SumTree(values));
      Bytes message(static_cast<std::size_t>(round), static_cast<std::byte>(ranks[0]));
      if (part.rank() != 0) message.clear();
      part.Broadcast(message);
      EXPECT_EQ(message, Bytes(static_cast<std::size_t>(round), static_cast<std::byte>(ranks[0])));
    }
  }

  std::vector<int> Ranks(int first, int count, int step = 1) const {
    std::vector<int> ranks;
    for (int i = 0; i < count; ++i) ranks.push_back(first + i * step);
    return ranks;
  }
};

TEST_F(SplitTest, MakesPartsOfOneRank) {
  const auto part = comm().Split(rank(), 0);
  ExpectWorks(*part, {rank()}, 3);
  EXPECT_EQ(part->host(0), comm().host(rank()));
  comm().Barrier();
}

TEST_F(SplitTest, MakesOnePartOfAll) {
  const auto part = comm().Split(7, 0);
  ExpectWorks(*part, Ranks(0, size()), 10);
  ExpectWorks(comm(), Ranks(0, size()), 2);
}

TEST_F(SplitTest, LetsUnevenPartsWorkAtTheirOwnPace) {
  const bool alone = rank() == 0;
  const auto part = comm().Split(alone ? 5 : 2, 0);
  // Each part makes other collectives, and more or fewer of them.
  if (alone) ExpectWorks(*part, {0}, 1);
  if (!alone) ExpectWorks(*part, Ranks(1, size() - 1), 40);
  ExpectWorks(comm(), Ranks(0, size()), 2);
  if (alone) part->Barrier();
  if (!alone) ExpectWorks(*part, Ranks(1, size() - 1), 3);
}

TEST_F(SplitTest, OrdersRanksByTheirKeys) {
  const auto part = comm().Split(0, -rank());
  ExpectWorks(*part, Ranks(size() - 1, size(), -1), 10);
  EXPECT_EQ(part->rank(), size() - 1 - rank());
  for (int r = 0; r < size(); ++r) EXPECT_EQ(part->host(r), comm().host(size() - 1 - r));
}

TEST_F(SplitTest, MakesPartsThatOverlap) {
  const auto row = comm().Split(rank() / 2, rank());
  const auto column = comm().Split(rank() % 2, rank());
  const auto all = comm().Split(0, 0);
  const int first = rank() / 2 * 2;
  const int below = (size() - rank() % 2 + 1) / 2;
  for (int round = 0; round < 5; ++round) {
    ExpectWorks(*row, Ranks(first, std::min(2, size() - first)), 2);
    ExpectWorks(*all, Ranks(0, size()), 1);
    ExpectWorks(*column, Ranks(rank() % 2, below, 2), 2);
    ExpectWorks(comm(), Ranks(0, size()), 1);
  }
}

TEST_F(SplitTest, MakesPartsOfParts) {
  const auto last = comm().Split(rank() == size() - 1 ? 1 : 0, 0);
  const auto inner = last->Split(last->rank() % 2, -rank());
  std::vector<int> ranks;
  for (int r = size() - 1; r >= 0; --r) {
    const bool together =
        rank() == size() - 1 ? r == rank() : r < size() - 1 && r % 2 == rank() % 2;
    if (together) ranks.push_back(r);
  }
  ExpectWorks(*inner, ranks, 4);
}

TEST_F(SplitTest, MakesAsManyPartsAsOneLikesOneAfterTheOther) {
  for (int i = 0; i < 40; ++i) {
    const auto part = comm().Split((rank() + i) % 2, i % 3 == 0 ? -rank() : rank());
    EXPECT_EQ(RanksOf(*part).size(), static_cast<std::size_t>(part->size()));
  }
}

TEST_F(SplitTest, HasOneDeadlineForTheWorldAndItsParts) {
  const auto part = comm().Split(rank() % 2, 0);
  const double before = comm().deadline_seconds();
  {
    const DeadlineScope longer(comm(), 77);
    EXPECT_EQ(part->deadline_seconds(), 77);
    ExpectWorks(*part, RanksOf(*part), 1);
  }
  EXPECT_EQ(part->deadline_seconds(), before);
}

// The first rank of the part is late; the other parts and the world do not suffer.
TEST_F(SplitTest, NamesAbsentRanksAsTheWorldDoes) {
  if (size() < 3) return;
  const auto part = comm().Split(rank() == 0 ? 0 : 1, -rank());
  comm().Barrier();
  if (part->size() > 1 && part->rank() > 0) {
    // Whoever gives up first still has the others beside it; they then miss that one, too.
    const bool is_first = part->rank() == 1;
    const DeadlineScope soon(comm(), is_first ? 1.5 : 5);
    const std::string error = MessageOf([&] { part->Barrier(); }, ExitCode::kRankFailure);
    EXPECT_THAT(error, HasSubstr("barrier of 0 bytes"));
    EXPECT_THAT(error, HasSubstr("rank " + std::to_string(size() - 1) + " on "));
    if (is_first) {
      EXPECT_THAT(error, HasSubstr("did not arrive within 1.5 s (rank " + std::to_string(rank())));
    }
  }
  ExpectWorks(comm(), Ranks(0, size()), 3);
}

TEST_F(SplitTest, RefusesNegativeColors) {
  EXPECT_THROW(comm().Split(-1, 0), Error);
  comm().Barrier();
}

TEST_F(SplitTest, KnowsWhereTheRanksOfAGridAre) {
  const ProcessGrid all(comm());
  EXPECT_EQ(all.shape().tensor, size());
  EXPECT_EQ(&all.tensor(), &comm());
  for (int tensor = 1; tensor <= size(); ++tensor) {
    if (size() % tensor != 0) continue;
    const int data = size() / tensor;
    const ProcessGrid grid(comm(), {.tensor = tensor, .pipeline = 1, .data = data});
    EXPECT_EQ(grid.place(), (GridPlace{rank() % tensor, 0, rank() / tensor}));
    EXPECT_EQ(grid.RankAt(grid.place()), rank());
    EXPECT_EQ(grid.RankAt({.data = data - 1}), size() - tensor);
    ExpectWorks(grid.tensor(), Ranks(rank() / tensor * tensor, tensor), 3);
    EXPECT_THROW(grid.RankAt({.data = data}), Error);
  }
  ExpectWorks(comm(), Ranks(0, size()), 1);
}

TEST_F(SplitTest, GivesStagesAPartOfTheirOwnAndCopiesOne) {
  for (const int pipeline : {1, 2})
    for (const int data : {1, 2}) {
      if (size() % (pipeline * data) != 0) continue;
      const int tensor = size() / (pipeline * data);
      const ProcessGrid grid(comm(), {.tensor = tensor, .pipeline = pipeline, .data = data});
      const int copy = rank() / (tensor * pipeline) * tensor * pipeline;
      EXPECT_EQ(grid.place(),
                (GridPlace{rank() % tensor, (rank() - copy) / tensor, copy / (tensor * pipeline)}));
      ExpectWorks(grid.copy(), Ranks(copy, tensor * pipeline), 3);
      ExpectWorks(grid.tensor(), Ranks(rank() / tensor * tensor, tensor), 3);
      const ProcessGrid own = grid.OfCopy();
      EXPECT_EQ(&own.world(), &grid.copy());
      EXPECT_EQ(&own.tensor(), &grid.tensor());
      EXPECT_EQ(own.place(), (GridPlace{grid.place().tensor, grid.place().pipeline, 0}));
    }
}

TEST_F(SplitTest, RefusesGridsThatTheWorldDoesNotHave) {
  EXPECT_EQ(MessageOf([&] { ProcessGrid(comm(), {.tensor = size(), .pipeline = 1, .data = 2}); },
                      ExitCode::kBadInput),
            fmt::format("process grid: {0} tensor x 1 pipeline x 2 data are {1} ranks, but this is "
                        "a world of {0}; start it with mpirun -n {1}",
                        size(), 2 * size()));
  comm().Barrier();
}

}  // namespace
}  // namespace lockstep::testing
