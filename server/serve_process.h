#pragma once

#include <span>
#include <string>

#include "runtime/options/arguments.h"

namespace lockstep {

// `lockstep serve`, in whichever of its processes this one is:
// - started by a user, it is the server: it owns HTTP and knows no MPI. It starts --dp groups of
//   ranks, copies of itself, and outlives them (server/groups/supervisor.h);
// - started by a server, it is a group: one rank, or the parent of `mpirun -n N`;
// - among ranks that mpirun or srun has started, it is one of them (server/serve_job.h).
// arguments_given: the command line, for the ranks to repeat. Returns the exit code.
int RunServer(const Arguments& arguments, std::span<const std::string> arguments_given);

}  // namespace lockstep
