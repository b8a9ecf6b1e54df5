#pragma once

#include <cstddef>
#include <deque>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "comm/groups/hosts.h"
#include "core/error.h"

namespace lockstep {

class Communicator;

// A call between ranks that cannot be completed. Its message names the call, the bytes, the peers
// that are missing, this rank, its host and what it was doing (core/activity.h).
class CollectiveError : public Error {
 public:
  using Error::Error;
};

// How long the ranks of a world wait for each other. There is one for a whole world: its parts and
// its transports look it up with every call.
struct Deadline {
  double seconds = 60;
};

// What the ranks of a group tell each other: steps, results, whether they live. What they add up
// is a Reducer's. Every collective is called by all ranks in the same order. A single process is a
// group of size 1 whose collectives do nothing, never a special case for its callers.
//
// Every call has the deadline: when a peer does not arrive in time, or is gone, it throws
// CollectiveError(kRankFailure). Ranks that have drifted into different collectives or sizes get
// a CollectiveError(kInternal) that says so. After either the group is unusable: call Abort(). A
// rank 0 that may idle for longer than the deadline must send its peers something now and then
// (Engine::KeepAlive()), because they wait in a collective meanwhile.
//
// Not thread-safe: one thread at a time makes every call, of all groups and messengers of the
// process: they share MPI.
class ControlPlane {
 public:
  using Bytes = std::vector<std::byte>;

  // The deadline is the world's; without one the group has its own.
  explicit ControlPlane(std::shared_ptr<Deadline> deadline = std::make_shared<Deadline>())
      : deadline_(std::move(deadline)) {}
  virtual ~ControlPlane() = default;
  ControlPlane(const ControlPlane&) = delete;
  ControlPlane& operator=(const ControlPlane&) = delete;

  virtual int rank() const = 0;
  virtual int size() const = 0;

  // Where the ranks run, and which of them share a host.
  virtual const HostMap& hosts() const = 0;
  std::string host(int rank) const { return hosts().name(rank); }

  // How this rank's messages travel, for logs: "shared memory".
  virtual std::string_view transport() const { return "none"; }

  // The ranks' messages in rank order, on every rank. Messages may differ in length.
  virtual std::vector<Bytes> AllGather(std::span<const std::byte> mine) = 0;

  // The same, but only rank 0 gets them; the others get an empty vector.
  virtual std::vector<Bytes> Gather(std::span<const std::byte> mine) = 0;

  // Rank 0's message replaces everybody's; the length travels with it.
  virtual void Broadcast(Bytes& message) = 0;

  virtual void Barrier() = 0;

  // A message of any length between two ranks of the group; those from one rank to another arrive
  // in the order in which they were sent. Only these two take part, whatever collectives and
  // messages the others are in. Send() returns when the receiver has it (one to this rank itself at
  // once), so two ranks that send to each other at the same time wait in vain. Receiving into a
  // message of the same length allocates nothing; what Reducer::AllocateReducible() has given goes
  // from there to a rank of the same host without another copy.
  void Send(int to, std::span<const std::byte> message);
  void Recv(int from, Bytes& message);

  // Cuts the group into parts: one for each color (0 or more), its ranks in the order of their
  // keys, of equal keys in that of their ranks here. Collective over the group; each rank gets the
  // part it belongs to. Parts work independently of each other, of the group and of other parts of
  // it that overlap them. They have the group's deadline; errors name ranks as the world does. The
  // group outlives its parts. Throws JoinError (comm/world.h), on every rank of a part the same.
  virtual std::unique_ptr<Communicator> Split(int color, int key) = 0;

  // Ends every rank of the world at once with this exit code, without waiting for any of them.
  // Called by a rank that has failed, after it has said so. Does not return.
  [[noreturn]] virtual void Abort(int exit_code) = 0;

  // Tells peers that ask what this rank has waited for: call it now and then between a failed call
  // and the end of the process, so that nobody takes it for the one that is late.
  virtual void AnswerPeers() {}

  // How long a call waits for a peer. Time in which this process was itself stopped (Ctrl-Z, a
  // suspended machine) does not count. Setting it holds for the whole world.
  double deadline_seconds() const { return deadline_->seconds; }
  void set_deadline_seconds(double seconds) { deadline_->seconds = seconds; }
  const std::shared_ptr<Deadline>& deadline() const { return deadline_; }

  // What a waiting rank does at first: keeps its core busy, because the answer is near, or leaves
  // it to others, because this host's threads have to share its cores. Implementations start
  // with what the number of ranks alone suggests.
  enum class Waiting { kSpins, kYields };
  virtual void set_waiting(Waiting /*waiting*/) {}

 protected:
  // The same to and from another rank.
  virtual void SendTo(int to, std::span<const std::byte> message) = 0;
  virtual void RecvFrom(int from, Bytes& message) = 0;

 private:
  std::shared_ptr<Deadline> deadline_;
  std::deque<Bytes> to_self_;
};

// Another deadline for a phase in which ranks may take very different times, such as loading. Not
// thread-safe, as its control plane.
class DeadlineScope {
 public:
  DeadlineScope(ControlPlane& comm, double seconds)
      : comm_(comm), before_(comm.deadline_seconds()) {
    comm.set_deadline_seconds(seconds);
  }
  ~DeadlineScope() { comm_.set_deadline_seconds(before_); }
  DeadlineScope(const DeadlineScope&) = delete;
  DeadlineScope& operator=(const DeadlineScope&) = delete;

 private:
  ControlPlane& comm_;
  double before_;
};

}  // namespace lockstep
