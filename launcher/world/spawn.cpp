#include "launcher/world/spawn.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <memory>

#include "comm/world.h"
#include "core/error.h"
#include "core/log.h"
#include "launcher/world/child_watch.h"
#include "launcher/world/rank_board.h"
#include "launcher/world/world.h"

namespace lockstep {
namespace {

constexpr char kDisguise = '\x1f';
constexpr int kExecFailed = 127;

std::string FindMpirun() {
  const char* path = std::getenv("PATH");
  // Where several MPIs are installed, `mpirun` may be another one's.
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

void PrepareEnvironment(const RankBoard& board) {
  ::setenv(RankBoard::kVariable, board.address().c_str(), 1);
  if (::geteuid() == 0) {
    SetDefault("OMPI_ALLOW_RUN_AS_ROOT", "1");
    SetDefault("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1");
  }
  // Reading a neighbour's memory directly is forbidden in most containers, and Open MPI then
  // fills the screen with complaints.
  SetDefault("OMPI_MCA_btl_vader_single_copy_mechanism", "none");
  SetDefault("OMPI_MCA_btl_base_warn_component_unused", "0");
}

void Redirect(int from, int to) {
  if (from == to) return;
  ::dup2(from, to);
  ::close(from);
}

struct Start {
  std::vector<std::string> command;
  const RankBoard* board;
  int output;  // what becomes mpirun's standard output
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
  PrepareEnvironment(*start.board);
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

pid_t StartMpirun(Start start, int unused_pipe_end) {
  start.parent = ::getpid();
  const pid_t child = ::fork();
  if (child < 0) throw EnvironmentError("fork: {}", ::strerror(errno));
  if (child == 0) {
    ::close(unused_pipe_end);
    BecomeMpirun(start);
  }
  // Also here, so that the group exists before the first signal is sent to it.
  ::setpgid(child, child);
  ::close(start.output);
  return child;
}

}  // namespace

int SpawnWorld(int ranks, std::span<const std::string> arguments) {
  if (!BuiltWithMpi()) {
    throw EnvironmentError(
        "--tp {} needs MPI, which this build leaves out; build with "
        "-DLOCKSTEP_MPI=ON or use --tp 1",
        ranks);
  }
  // Not /proc/self/exe itself: in mpirun's child that is mpirun.
  const std::string binary = std::filesystem::read_symlink("/proc/self/exe");
  const auto board = RankBoard::Create(ranks);
  ChildWatch watch;
  int output[2];
  if (::pipe2(output, O_CLOEXEC) != 0) throw EnvironmentError("pipe: {}", ::strerror(errno));
  Start start{MpirunCommand({FindMpirun(), binary, ranks}, arguments), board.get(), output[1], 0,
              watch.signals_before()};
  const pid_t mpirun = StartMpirun(std::move(start), output[0]);
  const ChildEnd end = watch.Run({mpirun, output[0], *board});
  return ReportEnd(end, *board);
}

std::vector<std::string> MpirunCommand(const MpirunCall& call,
                                       std::span<const std::string> arguments) {
  std::vector<std::string> command = {
      call.mpirun,
      // Errors are told once, by us.
      "--quiet",
      "-n",
      std::to_string(call.ranks),
      // More ranks than cores is allowed; no binding, or all threads of a rank would share the
      // one core that Open MPI binds a rank to by default.
      "--oversubscribe",
      "--bind-to",
      "none",
      "-x",
      RankBoard::kVariable,
      call.binary,
  };
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
  for (const std::string& name : names) {
    std::size_t begin = 0;
    while (begin <= path.size()) {
      const std::size_t end = std::min(path.find(':', begin), path.size());
      const std::string candidate = path.substr(begin, end - begin) + "/" + name;
      std::error_code ignored;
      const bool file = std::filesystem::is_regular_file(candidate, ignored);
      if (end > begin && file && ::access(candidate.c_str(), X_OK) == 0) return candidate;
      begin = end + 1;
    }
  }
  return "";
}

}  // namespace lockstep
