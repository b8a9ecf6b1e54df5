#include "running_server.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <regex>
#include <stdexcept>

#include "program.h"
#include "tests/support/test_data.h"

namespace lockstep {
RunningServer::RunningServer(const std::vector<std::string>& arguments) {
  int pipe_ends[2];
  if (::pipe(pipe_ends) != 0) throw std::runtime_error("pipe");
  std::vector<std::string> words{"serve", "--port", "0"};
  words.insert(words.end(), arguments.begin(), arguments.end());
  words = WithFixedDtype(std::move(words));
  words.insert(words.begin(), BuiltProgram());
  process_ = ::fork();
  if (process_ == 0) {
    ::dup2(pipe_ends[1], STDERR_FILENO);
    ::close(pipe_ends[0]);
    ::close(pipe_ends[1]);
    std::vector<char*> argv;
    for (std::string& word : words) argv.push_back(word.data());
    argv.push_back(nullptr);
    ::execv(argv[0], argv.data());
    ::_exit(127);
  }
  ::close(pipe_ends[1]);
  errors_pipe_ = pipe_ends[0];
  const std::regex ready("ready: https?://(?:[^:\\[]*|\\[[^\\]]*\\]):([0-9]+)[\n\"]");
  for (std::smatch found; port_ == 0;) {
    if (!ReadErrors()) throw std::runtime_error("the server has ended: " + errors_);
    if (std::regex_search(errors_, found, ready)) port_ = std::stoi(found[1]);
  }
}

RunningServer::~RunningServer() {
  if (process_ > 0) {
    Signal(SIGKILL);
    ::waitpid(process_, nullptr, 0);
  }
  if (errors_pipe_ >= 0) ::close(errors_pipe_);
}

bool RunningServer::ReadErrors() {
  char buffer[4096];
  const ssize_t bytes = ::read(errors_pipe_, buffer, sizeof(buffer));
  if (bytes <= 0) return false;
  errors_.append(buffer, static_cast<std::size_t>(bytes));
  return true;
}

double RunningServer::Metric(const std::string& name) const {
  std::smatch found;
  const std::string text = Get("/metrics").body;
  const std::regex line("\nlockstep:" + name + "\\{model_name=\"[^\"]*\"\\} ([^\n]*)\n");
  return std::regex_search(text, found, line) ? std::stod(found[1]) : -1;
}

void RunningServer::Signal(int signal_number) const { ::kill(process_, signal_number); }

int RunningServer::Wait() {
  while (ReadErrors()) {
  }
  int status = 0;
  ::waitpid(process_, &status, 0);
  process_ = -1;
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

}  // namespace lockstep
