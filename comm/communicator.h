#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/error.h"
#include "core/numbers/tensor.h"

namespace lockstep {

// A collective that cannot be completed. Its message names the collective, the bytes, the peers
// that are missing, this rank, its host and what it was doing (core/activity.h).
class CollectiveError : public Error {
 public:
  using Error::Error;
};

// The ranks of one tensor-parallel group, and what they do together. Every collective is called
// by all ranks in the same order. A single process is a communicator of size 1 that does nothing,
// never a special case for its callers.
//
// Every collective has a deadline: when a peer does not arrive in time, or is gone, it throws
// CollectiveError(kRankFailure). Ranks that have drifted into different collectives or sizes get
// a CollectiveError(kInternal) that says so. After either the communicator is unusable: call
// Abort(). A rank 0 that may idle for longer than the deadline must send its peers something
// now and then, because they wait in a collective meanwhile.
//
// Not thread-safe: one thread at a time makes every call, of all communicators and messengers of
// the process: they share MPI.
class Communicator {
 public:
  using Bytes = std::vector<std::byte>;

  virtual ~Communicator() = default;

  virtual int rank() const = 0;
  virtual int size() const = 0;
  virtual std::string host(int rank) const = 0;

  // How this rank's messages travel, for logs: "shared memory".
  virtual std::string_view transport() const { return "none"; }

  // Adds x of all ranks elementwise; every rank gets the sum. x: fp32, same shape everywhere.
  // In place, ordered on the stream. Every rank gets the same bits, those of SumTree() below.
  virtual void AllReduceSum(const TensorView& x, Stream stream) = 0;

  // Memory for fp32 values that AllReduceSum() will add: lies where the peers can reach it, if
  // ranks share memory, so that nothing is copied on the way. Views of any part of it may be
  // added; any other host memory may be, too. Host memory, aligned to 64 bytes, uninitialised.
  // Not collective: ranks may allocate different shapes, and free them whenever no collective is
  // running. The tensor may outlive the communicator. Throws EnvironmentError when there is none.
  virtual Tensor AllocateReducible(Shape shape);

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

  // What a device adds when it repeats a recorded step: AllReduceSum() is not called for it.
  // elements: of each. Counted as if it were.
  virtual void CountReplayed(std::int64_t all_reduces, std::int64_t /*elements*/) {
    all_reduce_count_ += all_reduces;
  }

  // How many all-reduces this rank has done: a block's contract is counted, not assumed.
  std::int64_t all_reduce_count() const { return all_reduce_count_; }

  // How long a collective waits for a peer. Time in which this process was itself stopped
  // (Ctrl-Z, a suspended machine) does not count.
  double deadline_seconds() const { return deadline_seconds_; }
  void set_deadline_seconds(double seconds) { deadline_seconds_ = seconds; }

  // What a waiting rank does at first: keeps its core busy, because the answer is near, or leaves
  // it to others, because this host's threads have to share its cores. Implementations start
  // with what the number of ranks alone suggests.
  enum class Waiting { kSpins, kYields };
  virtual void set_waiting(Waiting /*waiting*/) {}

 protected:
  std::int64_t all_reduce_count_ = 0;
  double deadline_seconds_ = 60;
};

// Another deadline for a phase in which ranks may take very different times, such as loading. Not
// thread-safe, as its communicator.
class DeadlineScope {
 public:
  DeadlineScope(Communicator& comm, double seconds)
      : comm_(comm), before_(comm.deadline_seconds()) {
    comm.set_deadline_seconds(seconds);
  }
  ~DeadlineScope() { comm_.set_deadline_seconds(before_); }
  DeadlineScope(const DeadlineScope&) = delete;
  DeadlineScope& operator=(const DeadlineScope&) = delete;

 private:
  Communicator& comm_;
  double before_;
};

// The order in which every implementation adds the ranks' values of one element. Let P be the
// largest power of two that is not above the rank count N. First the N - P pairs (0, 1), (2, 3),
// ... are added, which leaves P values in rank order; then neighbours are added until one is
// left. So 4 ranks give (r0 + r1) + (r2 + r3), 3 ranks (r0 + r1) + r2, and 5 ranks
// ((r0 + r1) + r2) + (r3 + r4). For powers of two this is one balanced binary tree, whose
// upper levels stay the same when each rank is cut in half.
float SumTree(std::span<const float> values);

}  // namespace lockstep
