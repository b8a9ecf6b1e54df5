#include "runtime/spawn/spawn.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <limits>
#include <memory>
#include <optional>
#include <utility>

#include "comm/world.h"
#include "core/error.h"
#include "core/files/own_program.h"
#include "core/log.h"
#include "runtime/spawn/child_watch.h"
#include "runtime/spawn/segment_folder.h"
#include "runtime/world/last_words.h"
#include "runtime/world/launch_environment.h"
#include "runtime/world/rank_board.h"
#include "runtime/world/world.h"

namespace lockstep {
namespace {

constexpr char kDisguise = '\x1f';
constexpr int kExecFailed = 127;

std::string FindMpirun() {
  const char* path = std::getenv("PATH");
  // In a folder of several MPIs, `mpirun` may be another one's.
  const std::string names[] = {"mpirun.openmpi", "mpirun"};
  std::string found = FindProgram(names, path != nullptr ? path : "/usr/local/bin:/usr/bin:/bin");
  if (found.empty()) {
    throw EnvironmentError(
        "--tp needs mpirun, which is not in PATH; install Open MPI (Debian: openmpi-bin), or use "
        "--tp 1");
  }
  return found;
}

void SetDefault(const char* name, const std::string& value) {
  ::setenv(name, value.c_str(), 0);  // what the user has set stays
}

// Open MPI 4 wants a way to other hosts even where it needs none. From version 5 on it does not.
void DoWithoutRemoteAgent() {
  const char* path = std::getenv("PATH");
  const std::string names[] = {"ssh", "rsh"};
  if (MayUseOtherHosts() || !FindProgram(names, path != nullptr ? path : "").empty()) return;
  SetDefault("OMPI_MCA_plm", "isolated");
}

void PrepareEnvironment(const RankBoard& board, const std::string& segments) {
  ::setenv(RankBoard::kVariable, board.address().c_str(), 1);
  if (::geteuid() == 0) {
    for (const char* name : {"OMPI_ALLOW_RUN_AS_ROOT", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM",
                             "PRTE_ALLOW_RUN_AS_ROOT", "PRTE_ALLOW_RUN_AS_ROOT_CONFIRM"})
      SetDefault(name, "1");
  }
  DoWithoutRemoteAgent();
  if (!segments.empty()) {
    SetDefault("OMPI_MCA_btl_vader_backing_directory", segments);
    SetDefault("OMPI_MCA_btl_sm_backing_directory", segments);  // its name from version 5 on
  }
  // Reading a neighbour's memory directly is forbidden in most containers, and Open MPI then
  // fills the screen with complaints.
  SetDefault("OMPI_MCA_btl_vader_single_copy_mechanism", "none");
  SetDefault("OMPI_MCA_btl_base_warn_component_unused", "0");
  // mpirun's own connections to other hosts, whose end it notices in minutes otherwise.
  SetDefault("OMPI_MCA_oob_tcp_keepalive_time", "10");
  SetDefault("OMPI_MCA_oob_tcp_keepalive_intvl", "5");
  SetDefault("OMPI_MCA_oob_tcp_keepalive_probes", "3");
}

void Redirect(int from, int to) {
  if (from == to) return;
  ::dup2(from, to);
  ::close(from);
}

struct Start {
  std::vector<std::string> command;
  const RankBoard* board;
  std::string segments;  // SegmentFolder::path()
  int output;            // what becomes mpirun's standard output and error
  int errors;
  pid_t parent;
  sigset_t signals;  // the mask from before SpawnWorld()
};

// In the child, between fork and exec.
[[noreturn]] void BecomeMpirun(const Start& start) {
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (::getppid() != start.parent) std::_Exit(kExecFailed);  // died before prctl
  // Its own process group: the terminal's Ctrl-C is for the parent alone, which tells the ranks.
  ::setpgid(0, 0);
  // A background group that touches the terminal would be stopped.
  ::signal(SIGTTIN, SIG_IGN);
  ::signal(SIGTTOU, SIG_IGN);
  // Rank 0 fetches its input from the parent itself: see rank_input.h.
  Redirect(::open("/dev/null", O_RDONLY), STDIN_FILENO);
  Redirect(start.output, STDOUT_FILENO);
  Redirect(start.errors, STDERR_FILENO);
  PrepareEnvironment(*start.board, start.segments);
  ::sigprocmask(SIG_SETMASK, &start.signals, nullptr);
  std::vector<char*> arguments;
  for (const std::string& argument : start.command) {
    arguments.push_back(const_cast<char*>(argument.c_str()));
  }
  arguments.push_back(nullptr);
  ::execv(arguments[0], arguments.data());
  LogError("{} does not start: {}", start.command[0], ::strerror(errno));
  std::_Exit(kExecFailed);
}

struct Pipe {
  int read_end;
  int write_end;
};

Pipe MakePipe() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) throw EnvironmentError("pipe: {}", ::strerror(errno));
  return {ends[0], ends[1]};
}

pid_t StartMpirun(Start start) {
  start.parent = ::getpid();
  const pid_t child = ::fork();
  if (child < 0) throw EnvironmentError("fork: {}", ::strerror(errno));
  if (child == 0) BecomeMpirun(start);
  // Also here, so that the group exists before the first signal is sent to it.
  ::setpgid(child, child);
  ::close(start.output);
  ::close(start.errors);
  return child;
}

}  // namespace

int SpawnWorld(const SpawnOptions& options, std::span<const std::string> arguments) {
  const int ranks = options.ranks;
  if (!BuiltWithMpi()) {
    throw EnvironmentError(
        "--tp {} needs MPI, which this build leaves out; build with "
        "-DLOCKSTEP_MPI=ON or use --tp 1",
        ranks);
  }
  const std::string binary = OwnProgram();
  const auto board = RankBoard::Create(ranks);
  std::optional<LastWordsInbox> inbox;
  if (MayUseOtherHosts()) inbox.emplace();
  if (inbox && !inbox->address().empty()) ::setenv(kLastWordsVariable, inbox->address().c_str(), 1);
  // Other hosts have no such folder.
  std::optional<SegmentFolder> segments;
  if (!MayUseOtherHosts()) segments.emplace();
  ChildWatch watch;
  const Pipe output = MakePipe();
  const Pipe errors = MakePipe();
  const pid_t mpirun = StartMpirun({MpirunCommand({FindMpirun(), binary, ranks}, arguments),
                                    board.get(), segments ? segments->path() : "", output.write_end,
                                    errors.write_end, 0, watch.signals_before()});
  const double start_deadline =
      MayUseOtherHosts() ? std::numeric_limits<double>::infinity() : options.init_deadline_seconds;
  const ChildEnd end = watch.Run({mpirun, output.read_end, errors.read_end, options.output, *board,
                                  start_deadline, inbox ? &*inbox : nullptr});
  return ReportEnd(end, *board);
}

std::vector<std::string> MpirunCommand(const MpirunCall& call,
                                       std::span<const std::string> arguments) {
  std::vector<std::string> command = {
      call.mpirun,
      // Options that Open MPI knows from version 4 on.
      "-n",
      std::to_string(call.ranks),
      // More ranks than cores is allowed; no binding, or all threads of a rank would share the
      // one core that Open MPI binds a rank to by default.
      "--map-by",
      ":OVERSUBSCRIBE",
      "--bind-to",
      "none",
      "-x",
      RankBoard::kVariable,
  };
  for (const char* variable : {kGroupVariable, kLayoutVariable, kLastWordsVariable})
    if (std::getenv(variable) != nullptr)  // mpirun complains of one that is not there
      command.insert(command.end(), {"-x", variable});
  command.push_back(call.binary);
  for (std::size_t i = 1; i < arguments.size(); ++i) {
    const std::string& argument = arguments[i];
    const bool disguise = argument == ":" || argument.starts_with(kDisguise);
    command.push_back(disguise ? kDisguise + argument : argument);
  }
  return command;
}

std::vector<std::string> RankArguments(int argc, const char* const* argv) {
  std::vector<std::string> arguments(argv, argv + argc);
  if (std::getenv(RankBoard::kVariable) == nullptr || !InsideWorld()) return arguments;
  for (std::string& argument : arguments) {
    if (argument.starts_with(kDisguise)) argument.erase(0, 1);
  }
  return arguments;
}

std::string FindProgram(std::span<const std::string> names, const std::string& path) {
  std::size_t begin = 0;
  while (begin <= path.size()) {
    const std::size_t end = std::min(path.find(':', begin), path.size());
    const std::string folder = path.substr(begin, end - begin);
    begin = end + 1;
    for (const std::string& name : names) {
      std::string candidate = fmt::format("{}/{}", folder, name);
      std::error_code ignored;
      const bool file = std::filesystem::is_regular_file(candidate, ignored);
      if (!folder.empty() && file && ::access(candidate.c_str(), X_OK) == 0) return candidate;
    }
  }
  return "";
}

}  // namespace lockstep
