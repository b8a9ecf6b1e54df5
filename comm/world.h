#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <utility>

#include "comm/communicator.h"

namespace lockstep {

// Whether the ranks of a host send through memory that they share. kAuto: where they can, so all
// ranks on one host, or on each host as many, a power of two, in the order of their ranks.
enum class SharedMemory { kAuto, kOn, kOff };

struct WorldOptions {
  // Of every collective; the communicator's set_deadline_seconds() changes it later.
  double deadline_seconds = 60;
  // Of joining: the peers must all have started, and found each other, in this time.
  double init_deadline_seconds = 60;
  // Longer transfers go in pieces of this size: MPI counts in int. Tests lower it.
  std::size_t max_message_bytes = std::size_t{1} << 30;
  SharedMemory shared_memory = SharedMemory::kAuto;
  // Tests on one host pretend that it is several of so many ranks each. 0: as it is.
  int ranks_per_host = 0;
};

// Keeps the world as long as it is itself kept, so that one rank can say it before any has left.
class SharedMemoryError : public Error {
 public:
  SharedMemoryError(const std::string& message, std::shared_ptr<Communicator> world)
      : Error(ExitCode::kEnvironment, message), world_(std::move(world)) {}

 private:
  std::shared_ptr<Communicator> world_;
};

// Whether this program can be one of several ranks at all.
bool BuiltWithMpi();

// Joins the world that mpirun or srun has started this process in: at most once per process, and
// collectively. Destroying the communicator leaves the world, again collectively.
// Throws EnvironmentError when MPI cannot start or was left out of the build. Ends the process
// with kRankFailure, after saying so, when the deadline passes: MPI's start cannot be interrupted.
// Throws SharedMemoryError, on every rank the same, when memory has to be shared and cannot be.
std::unique_ptr<Communicator> JoinWorld(const WorldOptions& options);

// The part of the world that this rank belongs to when it is cut into `groups` parts of as many
// ranks in a row each: its own communicator, with the same deadlines. Collective over the world;
// the world is still there for what concerns all, and is left last. An error in a group names ranks
// as the world does. Throws SharedMemoryError likewise.
std::unique_ptr<Communicator> JoinGroup(Communicator& world, int groups,
                                        const WorldOptions& options);

// This machine's name, as messages show it.
std::string HostName();

}  // namespace lockstep
