#include "server/groups/group_process.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <utility>

#include "core/error.h"
#include "server/groups/descriptor.h"

namespace lockstep {
namespace {

constexpr int kExecFailed = 127;

std::vector<char*> PointersTo(std::vector<std::string>& words) {
  std::vector<char*> pointers;
  pointers.reserve(words.size() + 1);
  for (std::string& word : words) pointers.push_back(word.data());
  pointers.push_back(nullptr);
  return pointers;
}

// This process's, with these variables instead of any other values of them.
std::vector<std::string> EnvironmentWith(std::vector<std::string> variables) {
  const auto is_set = [set = variables](std::string_view one) {
    return std::ranges::any_of(set, [one](const std::string& variable) {
      return one.starts_with(variable.substr(0, variable.find('=') + 1));
    });
  };
  for (char** one = environ; *one != nullptr; ++one)
    if (!is_set(*one)) variables.emplace_back(*one);
  return variables;
}

cpu_set_t SetOf(const std::vector<int>& cores) {
  cpu_set_t set;
  CPU_ZERO(&set);
  for (const int core : cores)
    if (core < CPU_SETSIZE) CPU_SET(static_cast<std::size_t>(core), &set);
  return set;
}

// What exec keeps: clients' connections, most of all, would stay open as long as the ranks live.
void CloseDescriptors() {
  if (::close_range(3, ~0U, 0) == 0) return;
  const long most = std::min(::sysconf(_SC_OPEN_MAX), 65536L);
  for (int number = 3; number < most; ++number) ::close(number);
}

struct Prepared {
  char* const* arguments;
  char* const* environment;
  const cpu_set_t* cores;
  int input;
  pid_t parent;
};

// In the child of a process with many threads: nothing but system calls.
[[noreturn]] void Become(const Prepared& prepared) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != prepared.parent) ::_exit(kExecFailed);  // died before prctl
  ::setpgid(0, 0);
  ::signal(SIGTTIN, SIG_IGN);  // a background group that touches the terminal would be stopped
  ::signal(SIGTTOU, SIG_IGN);
  if (prepared.cores != nullptr) ::sched_setaffinity(0, sizeof(*prepared.cores), prepared.cores);
  ::dup2(prepared.input, STDIN_FILENO);
  CloseDescriptors();
  ::execve(prepared.arguments[0], prepared.arguments, prepared.environment);
  ::_exit(kExecFailed);
}

// Whether a process has started with this variable; not one that has ended.
bool Has(const std::filesystem::path& process, const std::string& variable) {
  std::ifstream file(process / "environ", std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  for (auto at = text.find(variable); at != text.npos; at = text.find(variable, at + 1)) {
    const auto end = at + variable.size();
    if ((at == 0 || text[at - 1] == '\0') && (end == text.size() || text[end] == '\0')) return true;
  }
  return false;
}

// As /proc has it: 'R' while it runs.
char StateOf(pid_t process) {
  std::ifstream file(fmt::format("/proc/{}/stat", process));
  std::string text;
  std::getline(file, text);
  const auto name_end = text.rfind(") ");
  return name_end == text.npos || name_end + 2 >= text.size() ? '?' : text[name_end + 2];
}

std::vector<pid_t> ProcessesWith(const std::string& variable) {
  std::vector<pid_t> found;
  std::error_code code;
  for (std::filesystem::directory_iterator entry("/proc", code), end; !code && entry != end;
       entry.increment(code)) {
    const std::string name = entry->path().filename();
    pid_t process = 0;
    const auto parsed = std::from_chars(name.data(), name.data() + name.size(), process);
    if (parsed.ec == std::errc() && parsed.ptr == name.data() + name.size() &&
        process != ::getpid() && Has(entry->path(), variable))
      found.push_back(process);
  }
  return found;
}

}  // namespace

std::optional<int> EndedChildren::Take(pid_t child) {
  int status = 0;
  for (pid_t one = ::waitpid(-1, &status, WNOHANG); one > 0; one = ::waitpid(-1, &status, WNOHANG))
    statuses_[one] = status;
  const auto node = statuses_.extract(child);
  return node.empty() ? std::nullopt : std::optional(node.mapped());
}

GroupProcess::GroupProcess(const Start& start) : variable_(start.variable) {
  std::vector<std::string> command = start.command;
  std::vector<std::string> set{start.variable};
  if (!start.devices.empty()) set.push_back("CUDA_VISIBLE_DEVICES=" + start.devices);
  std::vector<std::string> environment = EnvironmentWith(std::move(set));
  const std::vector<char*> arguments = PointersTo(command);
  const std::vector<char*> variables = PointersTo(environment);
  const cpu_set_t cores = SetOf(start.cores);
  const Descriptor input(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  const Prepared prepared{arguments.data(), variables.data(),
                          start.cores.empty() ? nullptr : &cores, input.number(), ::getpid()};
  id_ = ::fork();
  if (id_ < 0) throw EnvironmentError("the ranks cannot be started: fork: {}", ::strerror(errno));
  if (id_ == 0) Become(prepared);
  ::setpgid(id_, id_);  // also here, so that the group exists before the first signal is sent to it
}

GroupProcess::~GroupProcess() {
  if (!status_) Kill();
}

std::optional<int> GroupProcess::End(EndedChildren& ended) {
  if (!status_) status_ = ended.Take(id_);
  return status_;
}

bool GroupProcess::Kill() const {
  if (!status_) ::kill(-id_, SIGKILL);
  const std::vector<pid_t> left = ProcessesWith(variable_);
  for (const pid_t process : left) ::kill(process, SIGKILL);
  return left.empty();
}

bool GroupProcess::IsStopped() const {
  return std::ranges::any_of(ProcessesWith(variable_), [](pid_t process) {
    const char state = StateOf(process);
    return state == 'T' || state == 't';
  });
}

std::optional<long> OutOfMemoryKills() {
  std::ifstream file("/proc/vmstat");
  long count = 0;
  for (std::string name; file >> name >> count;)
    if (name == "oom_kill") return count;
  return std::nullopt;
}

std::string DescribeEnd(int wait_status) {
  if (WIFSIGNALED(wait_status))
    return fmt::format("was killed by signal {} ({})", WTERMSIG(wait_status),
                       ::strsignal(WTERMSIG(wait_status)));
  return fmt::format("ended with exit code {}", WEXITSTATUS(wait_status));
}

}  // namespace lockstep
