#include "launcher/world/world.h"

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
#include <new>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "comm/self_communicator.h"
#include "comm/world.h"
#include "core/activity.h"
#include "core/error.h"
#include "core/log.h"
#include "launcher/world/interrupt.h"
#include "launcher/world/rank_board.h"
#include "launcher/world/rank_input.h"

namespace lockstep {
namespace {

std::optional<int> NumberFromEnvironment(std::initializer_list<const char*> names) {
  for (const char* name : names) {
    const char* text = std::getenv(name);
    if (text != nullptr && *text != '\0') return std::atoi(text);
  }
  return std::nullopt;
}

// The world's size as the launcher tells it before MPI starts.
std::optional<int> AnnouncedSize() {
  return NumberFromEnvironment({"OMPI_COMM_WORLD_SIZE", "SLURM_STEP_NUM_TASKS", "PMI_SIZE"});
}

bool HasProcessManager() {
  return NumberFromEnvironment({"PMIX_RANK", "PMI_RANK", "OMPI_COMM_WORLD_RANK"}).has_value();
}

std::unique_ptr<Communicator> Join(const WorldConfig& config) {
  if (!InsideWorld()) return std::make_unique<SelfCommunicator>();
  if (!HasProcessManager()) {
    throw EnvironmentError(
        "srun has started {} tasks but offers them no way to find each other; use srun "
        "--mpi=pmix, or leave srun out and let --tp start mpirun",
        AnnouncedSize().value_or(0));
  }
  WorldOptions options;
  options.deadline_seconds = config.deadline_seconds;
  options.init_deadline_seconds = config.init_deadline_seconds;
  options.max_message_bytes = config.max_message_bytes;
  options.shared_memory = config.shared_memory;
  options.ranks_per_host = config.ranks_per_host;
  return JoinWorld(options);
}

// Writes this rank's slot of the board as long as it lives; nothing where there is no board.
class BoardEntry {
 public:
  explicit BoardEntry(int rank) : board_(RankBoard::OpenFromEnvironment()) {
    if (board_ == nullptr || rank < 0 || rank >= board_->ranks()) return;
    slot_ = &board_->slot(rank);
    WriteField(slot_->host, HostName());
    slot_->state = RankState::kRunning;
    MarkTermination(&slot_->told_to_end);
    if (board_->stop_requested()) RequestInterrupt();
    if (rank == 0) AdoptParentInput(*board_);
    ObserveActivity([](std::string_view what) { WriteField(slot_->activity, what); });
  }
  ~BoardEntry() {
    ObserveActivity(nullptr);
    MarkTermination(nullptr);
    slot_ = nullptr;
  }
  BoardEntry(const BoardEntry&) = delete;
  BoardEntry& operator=(const BoardEntry&) = delete;

  bool spawned() const { return slot_ != nullptr; }
  bool SomebodyHasReported() const {
    for (int rank = 0; board_ != nullptr && rank < board_->ranks(); ++rank) {
      if (board_->slot(rank).state == RankState::kReported) return true;
    }
    return false;
  }
  void SetReported() const {
    if (slot_ != nullptr) slot_->state = RankState::kReported;
  }
  // The exit code for mpirun.
  int Leave(int code) const {
    if (slot_ == nullptr) return code;
    slot_->exit_code = code;
    slot_->state = RankState::kDone;
    return 0;
  }

 private:
  static inline RankSlot* slot_ = nullptr;  // the observer is a plain function
  std::unique_ptr<RankBoard> board_;
};

void LogWorld(const Communicator& comm) {
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

// The same for --dp.
void CheckGroups(int size, const WorldConfig& config) {
  if (config.expected_ranks != 0 && config.expected_ranks != size)
    throw BadInput(
        "--dp {0} {4} {1} ask for {2} ranks, but this is a world of {3}; start it with mpirun -n "
        "{2}, or {5} to use all ranks",
        config.groups, config.expected_ranks / config.groups, config.expected_ranks, size,
        config.asked_by, WithoutSize(config));
  if (size % config.groups != 0)
    throw BadInput(
        "--dp {0} was asked for, but a world of {1} cannot be divided into {0} groups of as many "
        "ranks; start it with mpirun -n {2}",
        config.groups, size, (size / config.groups + 1) * config.groups);
}

void CheckSize(const Communicator& comm, const WorldConfig& config) {
  const int announced = AnnouncedSize().value_or(comm.size());
  if (InsideWorld() && announced != comm.size()) {
    throw EnvironmentError(
        "{} ranks were started but MPI sees a world of {}: this program and the launcher belong "
        "to different MPI installations; start it with Open MPI's mpirun or srun --mpi=pmix",
        announced, comm.size());
  }
  if (config.groups > 1) return CheckGroups(comm.size(), config);
  if (config.expected_ranks == 0 || config.expected_ranks == comm.size()) return;
  throw BadInput(
      "{2} {0} was asked for, but this is a world of {1}; start it with mpirun -n {0}, or {3} to "
      "use all ranks",
      config.expected_ranks, comm.size(), config.asked_by, WithoutSize(config));
}

enum class Turn { kSpeak, kStaySilent };

// A peer that failed by itself says so and ends the world; only when nobody does is it this
// rank's turn. Lower ranks first, so that one message is printed and not one per rank.
Turn LetTheCauseSpeakFirst(const Communicator& comm, const BoardEntry& entry) {
  const int tenths = 10 + 5 * std::min(comm.rank(), 8);
  for (int i = 0; i < tenths; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    if (TerminationRequested() || entry.SomebodyHasReported()) return Turn::kStaySilent;
  }
  return Turn::kSpeak;
}

void FlushOutput() {
  std::cout.flush();
  std::fflush(nullptr);
}

struct Failure {
  ExitCode code;
  std::string message;
  enum class About { kThisRank, kPeers } about = About::kThisRank;
};

// What the exception in flight means to the user.
Failure Describe() {
  try {
    throw;
  } catch (const CollectiveError& error) {
    return {error.code(), error.what(), Failure::About::kPeers};
  } catch (const Error& error) {
    return {error.code(), error.what()};
  } catch (const std::bad_alloc&) {
    return {ExitCode::kEnvironment, "out of memory"};
  } catch (const std::exception& error) {
    return {ExitCode::kInternal, fmt::format("unexpected: {}; please report this", error.what())};
  } catch (...) {
    return {ExitCode::kInternal, "an unknown exception; please report this"};
  }
}

// In the handler of an exception that only this rank is known to have.
int FailAlone(Communicator& comm, const BoardEntry& entry) {
  const Failure failure = Describe();
  FlushOutput();
  std::string who;  // a collective's error says that itself, and one process needs no name
  Turn turn = Turn::kSpeak;
  if (failure.about == Failure::About::kPeers) {
    turn = LetTheCauseSpeakFirst(comm, entry);
  } else if (comm.size() > 1) {
    who = fmt::format(" (rank {} on {}, while {})", comm.rank(), comm.host(comm.rank()),
                      FailedActivity());
  }
  entry.SetReported();
  if (turn == Turn::kSpeak) LogError("{}{}", failure.message, who);
  const int code = static_cast<int>(failure.code);
  if (comm.size() > 1) comm.Abort(code);
  return code;
}

int FailTogether(const Communicator& comm, const AgreedError& error) {
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
    return FailAlone(comm, entry);
  }
}

}  // namespace

bool InsideWorld() {
  // A batch script under Slurm has SLURM_NTASKS too, but is no rank: only a step has tasks.
  const int slurm_tasks = NumberFromEnvironment({"SLURM_STEP_NUM_TASKS"}).value_or(1);
  return HasProcessManager() || slurm_tasks > 1;
}

int RunWorld(const WorldConfig& config, const RankBody& body) {
  InstallInterruptHandlers();
  const int rank =
      NumberFromEnvironment({"OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_RANK", "SLURM_PROCID"})
          .value_or(0);
  const BoardEntry entry(InsideWorld() ? rank : -1);
  // Whatever ends mpirun ends its ranks, even stopped ones.
  if (entry.spawned()) ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  SetLogRank(rank, AnnouncedSize().value_or(1));
  std::unique_ptr<Communicator> comm;
  try {
    comm = Join(config);
  } catch (const SharedMemoryError& error) {
    SetLogRank(0, 1);  // said for all ranks
    if (rank == 0) LogError("{}", error.what());
    return entry.Leave(static_cast<int>(error.code()));
  } catch (...) {
    const Failure failure = Describe();
    LogError("{}", failure.message);
    entry.SetReported();
    return static_cast<int>(failure.code);
  }
  SetLogRank(comm->rank(), comm->size());
  LogWorld(*comm);
  const int code = RunRank(*comm, config, entry, body);
  comm.reset();  // leaves the world
  return entry.Leave(code);
}

}  // namespace lockstep
