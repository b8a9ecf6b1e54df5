#include "complete/local_server.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <iostream>
#include <utility>

#include "core/error.h"
#include "core/files/own_program.h"

namespace lockstep {
namespace {

constexpr int kStopPeriodMs = 100;

// In the child, between fork and exec.
[[noreturn]] void BecomeServer(const std::string& binary, std::vector<std::string> words,
                               int errors, pid_t parent) {
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (::getppid() != parent) ::_exit(127);
  ::setpgid(0, 0);  // the terminal's Ctrl-C ends an answer, not the server
  const int nothing = ::open("/dev/null", O_RDWR);
  ::dup2(nothing, STDIN_FILENO);
  ::dup2(nothing, STDOUT_FILENO);
  ::dup2(errors, STDERR_FILENO);
  words.insert(words.begin(), {binary, "serve"});
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  ::execv(binary.c_str(), argv.data());
  ::_exit(127);
}

}  // namespace

std::vector<std::string> ServeWords(std::span<const std::string> complete_arguments) {
  std::vector<std::string> words;
  bool found = false;
  for (std::size_t i = 1; i < complete_arguments.size(); ++i) {
    const bool is_command = !found && complete_arguments[i] == "complete";
    found = found || is_command;
    // What the server says is read here.
    const bool is_ours = complete_arguments[i] == "--quiet" || complete_arguments[i] == "--verbose";
    if (!is_command && !is_ours) words.push_back(complete_arguments[i]);
  }
  words.insert(words.end(), {"--host", "127.0.0.1", "--port", "0", "--log-format", "text"});
  return words;
}

LocalServer::LocalServer(std::span<const std::string> words, const ServerClient::Stop& stop) {
  const std::string binary = OwnProgram();
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) throw EnvironmentError("pipe: {}", std::strerror(errno));
  const pid_t parent = ::getpid();
  process_ = ::fork();
  if (process_ == 0) BecomeServer(binary, {words.begin(), words.end()}, ends[1], parent);
  ::close(ends[1]);
  errors_ = ends[0];
  try {
    if (process_ < 0) throw EnvironmentError("fork: {}", std::strerror(errno));
    AwaitReady(stop);
  } catch (...) {
    End();
    throw;
  }
}

LocalServer::~LocalServer() { End(); }

void LocalServer::AwaitReady(const ServerClient::Stop& stop) {
  while (address_.host.empty()) {
    if (stop()) throw Error(ExitCode::kInterrupted, "interrupted");
    if (ReadMore(kStopPeriodMs)) continue;
    throw Error(Wait(), "the server has ended before it was ready");
  }
}

void LocalServer::End() {
  if (process_ > 0) {
    ::kill(process_, SIGTERM);
    Wait();
  }
  if (errors_ >= 0) ::close(std::exchange(errors_, -1));
}

// Its exit code where it is one of a failure, else that of a defect.
ExitCode LocalServer::Wait() {
  int status = 0;
  while (::waitpid(process_, &status, 0) < 0 && errno == EINTR) {
  }
  process_ = -1;
  if (WIFSIGNALED(status)) return ExitCode::kRankFailure;
  for (const ExitCode known : {ExitCode::kBadInput, ExitCode::kEnvironment, ExitCode::kRankFailure})
    if (WEXITSTATUS(status) == static_cast<int>(known)) return known;
  return ExitCode::kInternal;
}

// False at the end of what it says.
bool LocalServer::ReadMore(int timeout_ms) {
  pollfd waiting{.fd = errors_, .events = POLLIN, .revents = 0};
  if (::poll(&waiting, 1, timeout_ms) <= 0) return true;
  char bytes[4096];
  const ssize_t count = ::read(errors_, bytes, sizeof(bytes));
  if (count < 0) return errno == EINTR;
  if (count == 0) return false;
  line_.append(bytes, static_cast<std::size_t>(count));
  for (auto end = line_.find('\n'); end != std::string::npos; end = line_.find('\n')) {
    TakeLine(line_.substr(0, end));
    line_.erase(0, end + 1);
  }
  return true;
}

void LocalServer::TakeLine(const std::string& line) {
  constexpr std::string_view kReady = "ready: http://";
  if (const auto at = line.find(kReady); at != std::string::npos) {
    address_ = ParseServerUrl(line.substr(at + std::strlen("ready: ")));
  } else if (line.find("warning: ") != std::string::npos ||
             line.find("error: ") != std::string::npos) {
    std::cerr << line.substr(std::min(line.find("lockstep"), line.size())) << std::endl;
  }
}

void LocalServer::Relay() {
  pollfd waiting{.fd = errors_, .events = POLLIN, .revents = 0};
  while (::poll(&waiting, 1, 0) > 0 && ReadMore(0) && (waiting.revents & POLLIN) != 0) {
  }
}

}  // namespace lockstep
