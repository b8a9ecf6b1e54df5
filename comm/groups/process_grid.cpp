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
  if (shape.pipeline > 1)
    throw BadInput("process grid: {} pipeline stages, but models are not cut into stages; use 1",
                   shape.pipeline);
  const std::int64_t wanted = std::int64_t{shape.tensor} * shape.data;
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
  if (shape.tensor == world.size()) return;
  const GridPlace mine = place();
  part_ = world.Split(mine.data * shape.pipeline + mine.pipeline, mine.tensor);
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
