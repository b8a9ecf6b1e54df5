#include "comm/groups/process_grid.h"

#include <gtest/gtest.h>

#include <string>

#include "comm/self_communicator.h"
#include "tests/support/message_of.h"
#include "tests/support/ranks_alike.h"

namespace lockstep {
namespace {

std::string WhyNot(const GridShape& shape, int ranks) {
  return MessageOf([&] { CheckShape(shape, ranks); }, ExitCode::kBadInput);
}

TEST(ProcessGrid, HasTheShapesThatItsWorldHas) {
  CheckShape({}, 1);
  CheckShape({.tensor = 2}, 2);
  CheckShape({.data = 3}, 3);
  CheckShape({.tensor = 2, .data = 2}, 4);
  CheckShape({.tensor = 2, .pipeline = 3, .data = 2}, 12);
}

TEST(ProcessGrid, SaysHowManyRanksAShapeTakes) {
  EXPECT_EQ(WhyNot({.tensor = 2, .data = 2}, 3),
            "process grid: 2 tensor x 1 pipeline x 2 data are 4 ranks, but this is a world of 3; "
            "start it with mpirun -n 4");
  EXPECT_EQ(WhyNot({}, 2),
            "process grid: 1 tensor x 1 pipeline x 1 data are 1 ranks, but this is a world of 2; "
            "start it with mpirun -n 1");
  EXPECT_EQ(WhyNot({.tensor = 1 << 30, .data = 1 << 20}, 1),
            "process grid: 1073741824 tensor x 1 pipeline x 1048576 data are 1125899906842624 "
            "ranks, but this is a world of 1; start it with mpirun -n 1125899906842624");
}

TEST(ProcessGrid, RefusesAxesWithoutRanks) {
  EXPECT_EQ(WhyNot({.tensor = 0}, 1),
            "process grid: the tensor axis has 0 ranks; every axis has at least 1");
  EXPECT_EQ(WhyNot({.tensor = -2, .data = -2}, 4),
            "process grid: the tensor axis has -2 ranks; every axis has at least 1");
  EXPECT_EQ(WhyNot({.data = 0}, 1),
            "process grid: the data axis has 0 ranks; every axis has at least 1");
  EXPECT_EQ(WhyNot({.pipeline = 0}, 1),
            "process grid: the pipeline axis has 0 ranks; every axis has at least 1");
}

TEST(ProcessGrid, CountsTheRanksOfAllStages) {
  EXPECT_EQ(WhyNot({.tensor = 2, .pipeline = 3, .data = 2}, 6),
            "process grid: 2 tensor x 3 pipeline x 2 data are 12 ranks, but this is a world of 6; "
            "start it with mpirun -n 12");
}

TEST(ProcessGrid, OfOneRankIsItsWorld) {
  SelfCommunicator self;
  const ProcessGrid grid(self, {});
  EXPECT_EQ(&grid.tensor(), &self);
  EXPECT_EQ(&grid.world(), &self);
  EXPECT_EQ(grid.place(), GridPlace{});
  EXPECT_EQ(grid.RankAt({}), 0);
}

TEST(ProcessGrid, PutsRanksThatAddUpBesideEachOther) {
  RankAlike world(3, {"a", "a", "b", "b"});
  const ProcessGrid grid(world, {.tensor = 2, .data = 2});
  EXPECT_EQ(grid.place(), (GridPlace{.tensor = 1, .pipeline = 0, .data = 1}));
  EXPECT_EQ(grid.PlaceOf(2), (GridPlace{.tensor = 0, .pipeline = 0, .data = 1}));
  EXPECT_EQ(grid.RankAt({.tensor = 1}), 1);
  EXPECT_EQ(grid.RankAt({.data = 1}), 2);
  EXPECT_THROW(grid.RankAt({.tensor = 2}), Error);
  EXPECT_THROW(grid.RankAt({.pipeline = 1}), Error);
  EXPECT_THROW(grid.PlaceOf(4), Error);
}

}  // namespace
}  // namespace lockstep
