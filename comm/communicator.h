#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "core/tensor.h"

namespace lockstep {

// The ranks of one tensor-parallel group, and what they do together. Every collective is called
// by all ranks in the same order. A single process is a communicator of size 1 that does
// nothing, never a special case for its callers.
//
// Every collective has a deadline: when a peer does not arrive in time, or is gone, it throws
// Error(kRankFailure) naming this rank, the collective, the bytes and what the rank was doing
// (core/activity.h). After such an error the communicator is unusable: call Abort().
class Communicator {
 public:
  using Bytes = std::vector<std::byte>;

  virtual ~Communicator() = default;

  virtual int rank() const = 0;
  virtual int size() const = 0;
  virtual std::string host(int rank) const = 0;

  // Adds x of all ranks elementwise; every rank gets the sum. x: fp32, same shape everywhere.
  // In place, ordered on the stream. Every rank gets the same bits.
  virtual void AllReduceSum(const TensorView& x, Stream stream) = 0;

  // The ranks' messages in rank order, on every rank. Messages may differ in length.
  virtual std::vector<Bytes> AllGather(std::span<const std::byte> mine) = 0;

  // The same, but only rank 0 gets them; the others get an empty vector.
  virtual std::vector<Bytes> Gather(std::span<const std::byte> mine) = 0;

  // Rank 0's message replaces everybody's; the length travels with it.
  virtual void Broadcast(Bytes& message) = 0;

  virtual void Barrier() = 0;

  // Ends every rank of the world at once with this exit code, without waiting for any of them.
  // Called by a rank that has failed, after it has said so. Does not return.
  [[noreturn]] virtual void Abort(int exit_code) = 0;

  // How many all-reduces this rank has done: a block's contract is counted, not assumed.
  std::int64_t all_reduce_count() const { return all_reduce_count_; }

 protected:
  std::int64_t all_reduce_count_ = 0;
};

}  // namespace lockstep
