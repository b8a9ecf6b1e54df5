#pragma once

#include <memory>

#include "comm/communicator.h"

namespace lockstep {

// How many ranks there are along each axis.
struct GridShape {
  int tensor = 1;    // hold one stage of a model together and add up their parts (--tp)
  int pipeline = 1;  // stages of a model, one behind the other (--pp)
  int data = 1;      // copies of the model that share the work (--dp)
};

// Throws BadInput, on every rank the same, where no world of so many ranks has this shape.
void CheckShape(const GridShape& shape, int ranks);

// Where a rank is, from 0 along each axis.
struct GridPlace {
  int tensor = 0;
  int pipeline = 0;
  int data = 0;

  bool operator==(const GridPlace&) const = default;
};

// The world as a grid. Ranks that add up follow each other in the world, so that they are on as few
// hosts as can be; then come the stages of a copy, then the copies.
class ProcessGrid {
 public:
  // One copy of one stage. The world outlives the grid.
  explicit ProcessGrid(Communicator& world);
  // Collective over the world. Throws what CheckShape() and ControlPlane::Split() throw.
  ProcessGrid(Communicator& world, const GridShape& shape);

  const GridShape& shape() const { return shape_; }
  GridPlace place() const { return PlaceOf(world_->rank()); }
  GridPlace PlaceOf(int world_rank) const;
  // The world's number of a rank; {.data = 1} is the first of copy 1, which decides for it.
  int RankAt(const GridPlace& place) const;

  // All ranks.
  Communicator& world() const { return *world_; }
  // The ranks of this one's copy, stage by stage. What one stage sends to the next goes through it.
  Communicator& copy() const { return copy_ != nullptr ? *copy_ : *world_; }
  // The ranks of this one's copy and stage.
  Communicator& tensor() const { return stage_ != nullptr ? *stage_ : copy(); }

  // This rank's copy as a world by itself, of the same groups of ranks.
  ProcessGrid OfCopy() const;

 private:
  Communicator* world_;
  GridShape shape_;
  std::shared_ptr<Communicator> copy_;   // null: the world is one
  std::shared_ptr<Communicator> stage_;  // null: the copy is one
};

}  // namespace lockstep
