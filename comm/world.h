#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "comm/communicator.h"

namespace lockstep {

// Whether the ranks of a host send through memory that they share. kAuto: where they can, so all
// ranks on one host, or on each host as many, a power of two, in the order of their ranks.
enum class SharedMemory { kAuto, kOn, kOff };

struct WorldOptions {
  // Of every call of the world, its parts and transports: the world's Deadline, changed there
  // later.
  double deadline_seconds = 60;
  // Of joining: the peers must all have started, and found each other, in this time.
  double init_deadline_seconds = 60;
  // Longer transfers go in pieces of this size: MPI counts in int. Tests lower it.
  std::size_t max_message_bytes = std::size_t{1} << 30;
  SharedMemory shared_memory = SharedMemory::kAuto;
  // Tests on one host pretend that it is several of so many ranks each. 0: as it is.
  int ranks_per_host = 0;
  // Called by JoinWorld() as soon as ranks can speak, before anything depends on their having the
  // same options. Collective; what it throws, all ranks throw.
  std::function<void(ControlPlane& world)> check = nullptr;
  // Which ranks have not begun to join, as far as this process can know: "rank 3 has not started".
  // Asked for when the init deadline has passed, by another thread.
  std::function<std::string()> absent = nullptr;
};

// Why there is no world, the same on all ranks. Keeps the world as long as it is itself kept, so
// that one rank can say it before any has left.
class JoinError : public Error {
 public:
  JoinError(ExitCode code, const std::string& message, std::shared_ptr<Communicator> world)
      : Error(code, message), world_(std::move(world)) {}

 private:
  std::shared_ptr<Communicator> world_;
};

// Whether this program can be one of several ranks at all.
bool BuiltWithMpi();

// Joins the world that mpirun or srun has started this process in: at most once per process, and
// collectively. Destroying the communicator leaves the world, again collectively.
// Throws EnvironmentError when MPI cannot start or was left out of the build. Ends the process
// with kRankFailure, after saying so, when the deadline passes: MPI's start cannot be interrupted.
// Throws JoinError, on every rank the same, for what options.check throws, and when memory has to
// be shared and cannot be; CollectiveError when a rank that has joined does not answer.
std::unique_ptr<Communicator> JoinWorld(const WorldOptions& options);

}  // namespace lockstep
