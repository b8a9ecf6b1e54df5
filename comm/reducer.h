#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "core/numbers/tensor.h"

namespace lockstep {

// The sums that the ranks of a group make, and the memory they are made in: of hosts, or of
// devices. Sums are collective: all ranks call for them in the same order. Errors are those of
// the group's ControlPlane, whose deadline they have.
// Not thread-safe: the thread that owns the group's control plane.
class Reducer {
 public:
  virtual ~Reducer() = default;

  virtual int rank() const = 0;
  virtual int size() const = 0;

  // How the summands travel, for logs: "NCCL 2.21.5".
  virtual std::string_view transport() const { return "none"; }

  // Adds x of all ranks elementwise; every rank gets the sum. x: fp32, same shape everywhere.
  // In place, ordered on the stream. Every rank gets the same bits, those of SumTree() below.
  virtual void AllReduceSum(const TensorView& x, Stream stream) = 0;

  // fp32 values that AllReduceSum() will add, in memory where it adds without copying: the host's,
  // where the peers can reach it if ranks share memory, or the device's. Views of any part of it
  // may be added; of hosts, any other host memory may be, too. Aligned to 64 bytes, uninitialised.
  // Not collective: ranks may allocate different shapes, and free them whenever no collective is
  // running. The tensor may outlive a reducer in host memory. Throws EnvironmentError when there is
  // none.
  virtual Tensor AllocateReducible(Shape shape);

  // How many all-reduces this rank has done, in steps that a device has replayed as well: a block's
  // contract is counted, not assumed.
  std::int64_t all_reduce_count() const { return all_reduce_count_; }

 protected:
  std::int64_t all_reduce_count_ = 0;
};

// The order in which every implementation adds the ranks' values of one element. Let P be the
// largest power of two that is not above the rank count N. First the N - P pairs (0, 1), (2, 3),
// ... are added, which leaves P values in rank order; then neighbours are added until one is
// left. So 4 ranks give (r0 + r1) + (r2 + r3), 3 ranks (r0 + r1) + r2, and 5 ranks
// ((r0 + r1) + r2) + (r3 + r4). For powers of two this is one balanced binary tree, whose
// upper levels stay the same when each rank is cut in half.
float SumTree(std::span<const float> values);

}  // namespace lockstep
