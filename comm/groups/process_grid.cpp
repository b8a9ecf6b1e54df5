#include "comm/groups/process_grid.h"

#include <cstdint>

namespace lockstep {
namespace {

void CheckAxis(const char* name, int ranks) {
  if (ranks < 1)
    throw BadInput("process grid: the {} axis has {} ranks; every axis has at least 1", name,
                   ranks);
}

}  // namespace

void CheckShape(const GridShape& shape, int ranks) {
  CheckAxis("tensor", shape.tensor);
  CheckAxis("pipeline", shape.pipeline);
  CheckAxis("data", shape.data);
  const std::int64_t wanted = std::int64_t{shape.tensor} * shape.pipeline * shape.data;
  if (wanted != ranks)
    throw BadInput(
        "process grid: {} tensor x {} pipeline x {} data are {} ranks, but this is a world of {}; "
        "start it with mpirun -n {}",
        shape.tensor, shape.pipeline, shape.data, wanted, ranks, wanted);
}

ProcessGrid::ProcessGrid(Communicator& world)
    : world_(&world), shape_({.tensor = world.size(), .pipeline = 1, .data = 1}) {}

ProcessGrid::ProcessGrid(Communicator& world, const GridShape& shape)
    : world_(&world), shape_(shape) {
  CheckShape(shape, world.size());
  const GridPlace mine = place();
  const int in_copy = mine.pipeline * shape.tensor + mine.tensor;
  if (shape.data > 1) copy_ = world.Split(mine.data, in_copy);
  if (shape.pipeline > 1) stage_ = copy().Split(mine.pipeline, mine.tensor);
}

ProcessGrid ProcessGrid::OfCopy() const {
  ProcessGrid grid(copy());
  grid.shape_ = {.tensor = shape_.tensor, .pipeline = shape_.pipeline, .data = 1};
  grid.stage_ = stage_;
  return grid;
}

GridPlace ProcessGrid::PlaceOf(int world_rank) const {
  LOCKSTEP_CHECK(world_rank >= 0 && world_rank < world_->size(), "rank {} of {}", world_rank,
                 world_->size());
  const int stage = world_rank / shape_.tensor;
  return {.tensor = world_rank % shape_.tensor,
          .pipeline = stage % shape_.pipeline,
          .data = stage / shape_.pipeline};
}

int ProcessGrid::RankAt(const GridPlace& place) const {
  const auto [tensor, pipeline, data] = place;
  LOCKSTEP_CHECK(tensor >= 0 && tensor < shape_.tensor && pipeline >= 0 &&
                     pipeline < shape_.pipeline && data >= 0 && data < shape_.data,
                 "no rank at {}, {}, {}", tensor, pipeline, data);
  return (data * shape_.pipeline + pipeline) * shape_.tensor + tensor;
}

}  // namespace lockstep
