#pragma once

#include <functional>
#include <span>
#include <string>
#include <string_view>

#include "comm/communicator.h"
#include "comm/world.h"
#include "runtime/world/rank_facts.h"

namespace lockstep {

// A rank's life, from joining its world to its exit code. main() does:
//   if (tp > 1 && !InsideWorld()) return SpawnWorld({.ranks = tp}, arguments);  // spawn.h
//   return RunWorld({.expected_ranks = tp}, [&](Communicator& comm) { ...; return 0; });

struct WorldConfig {
  int expected_ranks = 0;         // what --tp (times --pp and --dp) says; 0: any
  int groups = 1;                 // what --dp says: must divide the ranks
  int stages = 1;                 // what --pp says: must divide those of a group
  std::string asked_by = "--tp";  // who says it: "run.yaml:3:7: parallel.tp"
  WorldOptions world = {};        // what comm.* says
  RankFacts facts = {};           // settings: where the ranks' differ they end with kBadInput
};

// Whether mpirun or srun has started this process as one rank of a world (of one rank or more).
bool InsideWorld();

// Joins the world this process is in (or is a world of one), runs the body on this rank and
// returns the process's exit code: the body's, or that of the exception it threw. Errors are
// printed here, once:
// - from Agree(): all ranks know. Rank 0 prints, every rank returns the same code in good order.
// - from one rank alone: it names itself and ends the world within seconds (does not return).
// Installs the handlers of runtime/world/interrupt.h and sets the log's rank. Standard output is
// flushed before the world is left. Call at most once per process, and return what it returns
// from main(): ranks of SpawnWorld() leave their code to the parent and get 0 here, because
// mpirun takes any other code for a crash and kills ranks that are about to end anyway.
using RankBody = std::function<int(Communicator& comm)>;
int RunWorld(const WorldConfig& config, const RankBody& body);

// Runs work that every rank does in the same way (reading the configuration, opening the
// checkpoint, loading weights), then compares notes. When it failed anywhere, every rank throws
// AgreedError with the same code: that of the lowest failing rank. A message that all ranks share
// is given once, otherwise each failing rank is named. Also throws, with kInterrupted, when a
// rank has been asked to stop. Collective; ranks may take kAgreePatience deadlines to get there.
// In work that takes long they tell each other how far they are, about once a second.
struct SharedProgress {
  std::function<double()> mine;                              // of this rank, 0 to 1
  std::function<void(std::span<const double> ranks)> heard;  // that of all, on every rank
};
constexpr double kAgreePatience = 10;
void Agree(ControlPlane& comm, std::string_view what, const std::function<void()>& work,
           const SharedProgress& progress = {});

// An error that every rank has and knows that the others have.
class AgreedError : public Error {
 public:
  using Error::Error;
};

}  // namespace lockstep
