#include "runtime/world/launcher_end.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <fstream>
#include <string>

#include "core/error.h"

namespace lockstep {
namespace {

bool HasEndedWithin(int process, int milliseconds) {
  pollfd polled{process, POLLIN, 0};
  return ::poll(&polled, 1, milliseconds) != 0;
}

// In a child of a program with threads: calls of the kernel alone.
[[noreturn]] void SeeToTheEndOf(pid_t launcher, int process, int patience_milliseconds) {
  ::setsid();  // mpirun ends the groups of its ranks
  for (const int meant_for_ranks : {SIGTERM, SIGINT, SIGHUP, SIGUSR1})
    ::signal(meant_for_ranks, SIG_IGN);
  // What the rank had open others wait to see closed.
  ::dup2(process, 0);
  ::syscall(SYS_close_range, 1, ~0U, 0);
  // Open MPI 4 crashes when it is asked to end in this state, and fills the screen.
  if (!HasEndedWithin(0, patience_milliseconds)) KillLauncher(launcher);
  ::_exit(0);
}

std::string NameOfProcess(int process) {
  std::string name;
  std::ifstream file(fmt::format("/proc/{}/comm", process));
  std::getline(file, name);
  return name;
}

}  // namespace

bool IsLauncher(std::string_view name) {
  constexpr std::string_view kLaunchers[] = {"mpirun",  "mpiexec", "orterun",
                                             "prterun", "orted",   "prted"};
  return std::ranges::any_of(kLaunchers, [&](std::string_view one) {
    return name == one || (name.starts_with(one) && name[one.size()] == '.');
  });
}

void KillLauncher(pid_t launcher) {
  char path[64] = {};
  char text[4096] = {};  // more children than that die with it, or end by themselves
  *fmt::format_to_n(path, sizeof(path) - 1, "/proc/{0}/task/{0}/children", launcher).out = '\0';
  const int file = ::open(path, O_RDONLY | O_CLOEXEC);
  const ssize_t bytes = file >= 0 ? ::read(file, text, sizeof(text) - 1) : 0;
  if (file >= 0) ::close(file);
  ::kill(launcher, SIGKILL);
  const char* const end = text + std::max<ssize_t>(bytes, 0);
  for (const char* at = text; at < end; ++at) {
    pid_t child = 0;
    at = std::from_chars(at, end, child).ptr;
    if (child > 1) ::kill(child, SIGKILL);
  }
}

void EndLauncherLater(int patience_milliseconds) {
  const int parent = ::getppid();
  if (!IsLauncher(NameOfProcess(parent))) return;
  const int process = static_cast<int>(::syscall(SYS_pidfd_open, parent, 0));
  if (process < 0 || ::getppid() != parent) return;
  if (::fork() == 0) SeeToTheEndOf(parent, process, patience_milliseconds);
  ::close(process);
}

}  // namespace lockstep
