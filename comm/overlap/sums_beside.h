#pragma once

#include "core/numbers/tensor.h"

namespace lockstep {

// Sums over the ranks of a group that are made one after the other while the caller goes on with
// something else. All ranks begin them in the same order.
// Not thread-safe: the thread that owns the reducer.
class SumsBeside {
 public:
  virtual ~SumsBeside() = default;

  // Begins this sum, behind those that have begun. What x views must be left alone until it is
  // done. At most two have begun and are not awaited.
  virtual void Begin(const TensorView& x) = 0;
  // What the caller does, or enqueues, from here on finds the sum done that has begun first of
  // those not awaited yet. Throws what it has thrown; those behind it are not made then.
  virtual void Await() = 0;
};

}  // namespace lockstep
