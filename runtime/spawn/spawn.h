#pragma once

#include <span>
#include <string>
#include <vector>

namespace lockstep {

// `--tp N` on one command line: this process becomes the parent of `mpirun -n N` over copies of
// itself. main() does:
//   const std::vector<std::string> arguments = RankArguments(argc, argv);  // before parsing
//   ... parse, and check what needs no ranks ...
//   if (tp > 1 && !InsideWorld()) return SpawnWorld({.ranks = tp}, arguments);
//   return RunWorld({.expected_ranks = tp}, body);                         //
//   runtime/world/world.h
//
// Standard input: a pipe or file is rank 0's; a terminal is not (ranks read nothing then).
// Standard output is rank 0's, byte for byte and at once. Standard error is everybody's; what
// mpirun explains at length is shown only where no rank can say what happened.
// Ctrl-C, SIGTERM and SIGHUP reach the ranks as SIGUSR1, so that they finish their step and
// leave in good order; the second one kills them. A closed standard output (`| head`) does the
// same and then ends this process by SIGPIPE, as it would any other program. The ranks die with
// this process, however it dies.

// Starts the world, waits for its end and returns the exit code: the first failing rank's; 4
// (kRankFailure) when a rank was killed, after naming it; 130 after an interrupt. Call while
// this process has a single thread. arguments[0] is the program's name and not passed on.
// An mpirun that has started no rank by the deadline is ended, with exit code 3.
// Throws EnvironmentError when mpirun is missing or this build has no MPI.
struct SpawnOptions {
  int ranks = 1;
  double init_deadline_seconds = 60;
  int output = 1;  // an open file: where rank 0's standard output goes, if not to ours
};
int SpawnWorld(const SpawnOptions& options, std::span<const std::string> arguments);

// The signal that has killed a rank, or mpirun, of the world that SpawnWorld() had; 0: none has.
int SignalOfDeadRank();

// main()'s arguments as the user gave them. SpawnWorld() has to disguise a bare ":" because it
// would end our part of mpirun's command line; this takes the disguise off.
std::vector<std::string> RankArguments(int argc, const char* const* argv);

// The environment variable that a server sets for a group of ranks (server/groups/group_place.h).
// It reaches all of them.
inline constexpr const char* kGroupVariable = "LOCKSTEP_GROUP";
// That of --elastic (runtime/spawn/elastic_world.h), likewise.
inline constexpr const char* kLayoutVariable = "LOCKSTEP_LAYOUT";

// The parts of SpawnWorld() that tests look at.
struct MpirunCall {
  std::string mpirun;  // path
  std::string binary;  // path
  int ranks;
};
std::vector<std::string> MpirunCommand(const MpirunCall& call,
                                       std::span<const std::string> arguments);
// In the first folder of a PATH-like list that has one: the executable of the earliest of these
// names. Empty when there is none.
std::string FindProgram(std::span<const std::string> names, const std::string& path);

}  // namespace lockstep
