#include "runtime/world/world.h"

#include <sched.h>
#include <sys/prctl.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <signal.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "comm/mpi/mpi_probe.h"
#include "comm/peers/peer_ended.h"
#include "comm/self_communicator.h"
#include "comm/world.h"
#include "core/activity.h"
#include "core/error.h"
#include "core/log.h"
#include "runtime/world/board_entry.h"
#include "runtime/world/interrupt.h"
#include "runtime/world/launch_environment.h"
#include "runtime/world/launcher_end.h"

namespace lockstep {
namespace {

// Every rank finds the same, and one says it.
void CheckProcessManager() {
  constexpr const char* kRemedy =
      "use srun --mpi=pmix, or leave srun out and let --tp start mpirun";
  std::string found;
  if (!HasProcessManager())
    found = "offers them no way to find each other";
  else if (OffersPmi2Only() && !MpiKnowsPmi2())
    found = "offers them PMI-2, which this MPI does not know";
  if (found.empty()) return;
  throw JoinError(ExitCode::kEnvironment,
                  fmt::format("srun has started {} tasks but {}; {}", AnnouncedSize().value_or(0),
                              found, kRemedy),
                  nullptr);
}

std::unique_ptr<Communicator> Join(const WorldConfig& config, const BoardEntry& entry) {
  if (!InsideWorld()) return std::make_unique<SelfCommunicator>();
  CheckProcessManager();
  WorldOptions options = config.world;
  options.check = [&config](ControlPlane& world) {
    CompareFacts(world, config.facts, "start all ranks with the same program and settings");
  };
  options.absent = [&entry] { return entry.Absent(); };
  return JoinWorld(options);
}

void LogWorld(const ControlPlane& comm) {
  struct statvfs shared {};
  const bool known = ::statvfs("/dev/shm", &shared) == 0;
  const std::uint64_t mib = known ? shared.f_bavail * shared.f_frsize >> 20 : 0;
  cpu_set_t processors;
  CPU_ZERO(&processors);
  ::sched_getaffinity(0, sizeof(processors), &processors);
  WriteLog(LogLevel::kDebug,
           fmt::format("rank {} of {} on {}, pid {}, {} processors, /dev/shm has {} MiB free; "
                       "collectives through {}",
                       comm.rank(), comm.size(), comm.host(comm.rank()), ::getpid(),
                       CPU_COUNT(&processors), mib, comm.transport()));
}

std::string WithoutSize(const WorldConfig& config) {
  return config.asked_by == "--tp" ? "leave --tp out" : "set it to null";
}

// "--dp 2 --pp 3": what divides the ranks.
std::string Divisions(const WorldConfig& config) {
  std::string text = config.groups > 1 ? fmt::format("--dp {}", config.groups) : "";
  if (config.stages == 1) return text;
  return fmt::format("{}{}--pp {}", text, text.empty() ? "" : " ", config.stages);
}

// "2 groups", "3 stages", "2 groups of 3 stages".
std::string Parts(const WorldConfig& config) {
  if (config.stages == 1) return fmt::format("{} groups", config.groups);
  if (config.groups == 1) return fmt::format("{} stages", config.stages);
  return fmt::format("{} groups of {} stages", config.groups, config.stages);
}

// The same for --dp and --pp.
void CheckDivisions(int size, const WorldConfig& config) {
  const int parts = config.groups * config.stages;
  if (config.expected_ranks != 0 && config.expected_ranks != size)
    throw BadInput(
        "{0} {4} {1} ask for {2} ranks, but this is a world of {3}; start it with mpirun -n "
        "{2}, or {5} to use all ranks",
        Divisions(config), config.expected_ranks / parts, config.expected_ranks, size,
        config.asked_by, WithoutSize(config));
  if (size % parts != 0)
    throw BadInput(
        "{0} was asked for, but a world of {1} cannot be divided into {2} of as many ranks; start "
        "it with mpirun -n {3}",
        Divisions(config), size, Parts(config), (size / parts + 1) * parts);
}

void CheckSize(const ControlPlane& comm, const WorldConfig& config) {
  const int announced = AnnouncedSize().value_or(comm.size());
  if (InsideWorld() && announced != comm.size()) {
    throw EnvironmentError(
        "{} ranks were started but MPI sees a world of {}: this program and the launcher belong "
        "to different MPI installations; start it with Open MPI's mpirun or srun --mpi=pmix",
        announced, comm.size());
  }
  if (config.groups * config.stages > 1) return CheckDivisions(comm.size(), config);
  if (config.expected_ranks == 0 || config.expected_ranks == comm.size()) return;
  throw BadInput(
      "{2} {0} was asked for, but this is a world of {1}; start it with mpirun -n {0}, or {3} to "
      "use all ranks",
      config.expected_ranks, comm.size(), config.asked_by, WithoutSize(config));
}

struct Failure {
  ExitCode code;
  std::string message;
  enum class About { kThisRank, kPeers, kEndedPeer } about = About::kThisRank;
};

enum class Turn { kSpeak, kStaySilent };

// A peer that failed by itself says so and ends the world; only when nobody does is it this
// rank's turn. Lower ranks first, so that one message is printed and not one per rank. A parent of
// ours, which knows more, has more time to speak.
Turn WaitForRootCause(int rank, const BoardEntry& entry, Failure::About about,
                      ControlPlane* comm = nullptr) {
  // Once a launcher that is not ours ends the world, those that it has ended are no news, and it
  // names the first one itself.
  const bool is_news =
      about == Failure::About::kEndedPeer && !entry.has_parent() && SecondsOfTermination() == 0;
  const int turn = std::min(rank, 8);
  for (int i = 0; i < (entry.has_parent() ? 10 + 5 * turn : 5 + 3 * turn); ++i) {
    if (is_news && SecondsOfTermination() > 0 && i >= turn) break;
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    if (comm != nullptr) comm->AnswerPeers();
    const bool ends = SecondsOfTermination() > 0 && !is_news;
    if (ends || entry.SomebodyHasReported()) return Turn::kStaySilent;
  }
  return Turn::kSpeak;
}

void FlushOutput() {
  std::cout.flush();
  std::fflush(nullptr);
}

// What the exception in flight means to the user.
Failure Describe() {
  try {
    throw;
  } catch (const PeerEndedError& error) {
    return {error.code(), error.what(), Failure::About::kEndedPeer};
  } catch (const CollectiveError& error) {
    return {error.code(), error.what(), Failure::About::kPeers};
  } catch (...) {
    const Error error = CurrentError();
    return {error.code(), error.what()};
  }
}

// In the handler of an exception that only this rank is known to have.
int AbortWorld(ControlPlane& comm, const BoardEntry& entry) {
  const Failure failure = Describe();
  FlushOutput();
  std::string who;  // a collective's error says that itself, and one process needs no name
  Turn turn = Turn::kSpeak;
  if (failure.about != Failure::About::kThisRank) {
    turn = WaitForRootCause(comm.rank(), entry, failure.about, &comm);
  } else if (comm.size() > 1) {
    who = fmt::format(" (rank {} on {}, while {})", comm.rank(), comm.host(comm.rank()),
                      FailedActivity());
  }
  if (turn == Turn::kSpeak) {
    entry.SetReported(static_cast<int>(failure.code));
    LogError("{}{}", failure.message, who);
  }
  const int code = static_cast<int>(failure.code);
  if (turn == Turn::kSpeak && !entry.spawned()) EndLauncherLater();
  if (turn == Turn::kStaySilent) entry.EndsSilently();
  if (comm.size() > 1) comm.Abort(code);
  return code;
}

int FailTogether(const ControlPlane& comm, const AgreedError& error) {
  AnnounceNoInterrupts();
  // Said for all ranks: the line carries no rank of its own.
  SetLogRank(0, 1);
  if (comm.rank() == 0 && error.code() != ExitCode::kInterrupted) LogError("{}", error.what());
  FlushOutput();
  return static_cast<int>(error.code());
}

int RunRank(Communicator& comm, const WorldConfig& config, const BoardEntry& entry,
            const RankBody& body) {
  try {
    Agree(comm, "starting", [&] { CheckSize(comm, config); });
    const int code = body(comm);
    FlushOutput();
    return code;
  } catch (const AgreedError& error) {
    return FailTogether(comm, error);
  } catch (...) {
    return AbortWorld(comm, entry);
  }
}

}  // namespace

int RunWorld(const WorldConfig& config, const RankBody& body) {
  InstallInterruptHandlers();
  const int rank = AnnouncedRank();
  const BoardEntry entry(InsideWorld() ? rank : -1);
  if (!entry.spawned() && rank == 0) AnnounceInterrupts();
  // MPI writes to the connections of ranks that have died. That is an error of its call, and would
  // else be the end of one that lives, which others then take for the first to die.
  if (InsideWorld()) ::signal(SIGPIPE, SIG_IGN);
  // Whatever ends mpirun ends its ranks, even stopped ones.
  if (entry.spawned()) ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  SetLogRank(rank, AnnouncedSize().value_or(1));
  std::unique_ptr<Communicator> comm;
  try {
    comm = Join(config, entry);
  } catch (const JoinError& error) {
    AnnounceNoInterrupts();
    SetLogRank(0, 1);  // said for all ranks
    if (rank == 0) LogError("{}", error.what());
    return entry.Leave(static_cast<int>(error.code()));
  } catch (...) {
    const Failure failure = Describe();
    const bool peers = failure.about != Failure::About::kThisRank;
    const Turn turn = peers ? WaitForRootCause(rank, entry, failure.about) : Turn::kSpeak;
    if (turn == Turn::kSpeak) {
      entry.SetReported(static_cast<int>(failure.code));
      LogError("{}", failure.message);
    } else {
      entry.EndsSilently();
    }
    return static_cast<int>(failure.code);
  }
  SetLogRank(comm->rank(), comm->size());
  LogWorld(*comm);
  const int code = RunRank(*comm, config, entry, body);
  comm.reset();  // leaves the world
  return entry.Leave(code);
}

}  // namespace lockstep
