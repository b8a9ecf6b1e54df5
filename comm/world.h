#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>

#include "comm/communicator.h"

namespace lockstep {

struct WorldOptions {
  // Of every collective; the communicator's set_deadline_seconds() changes it later.
  double deadline_seconds = 60;
  // Of joining: the peers must all have started, and found each other, in this time.
  double init_deadline_seconds = 60;
  // Longer transfers go in pieces of this size: MPI counts in int. Tests lower it.
  std::size_t max_message_bytes = std::size_t{1} << 30;
};

// Whether this program can be one of several ranks at all.
bool BuiltWithMpi();

// Joins the world that mpirun or srun has started this process in: at most once per process, and
// collectively. Destroying the communicator leaves the world, again collectively.
// Throws EnvironmentError when MPI cannot start or was left out of the build. Ends the process
// with kRankFailure, after saying so, when the deadline passes: MPI's start cannot be interrupted.
std::unique_ptr<Communicator> JoinWorld(const WorldOptions& options);

// MPI's own all-reduce, in the world that JoinWorld() has joined: what `lockstep bench comm`
// compares ours with. It promises neither an order of additions nor a deadline, and nothing else
// uses it. Collective, in place. Throws EnvironmentError in builds without MPI.
void PlainMpiAllReduceSum(std::span<float> x);

// This machine's name, as messages show it.
std::string HostName();

}  // namespace lockstep
