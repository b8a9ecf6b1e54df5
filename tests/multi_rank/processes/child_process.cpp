#include "tests/multi_rank/processes/child_process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <stdexcept>
#include <thread>

namespace lockstep::testing {
namespace {

double Now() {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration<double>(now).count();
}

// An unlinked file with the text, so that no writer can block.
int InputFile(const std::string& text) {
  std::FILE* file = std::tmpfile();
  if (file == nullptr) throw std::runtime_error("no temporary file");
  std::fwrite(text.data(), 1, text.size(), file);
  std::rewind(file);
  const int descriptor = ::dup(::fileno(file));
  std::fclose(file);
  ::lseek(descriptor, 0, SEEK_SET);
  return descriptor;
}

bool Append(int& descriptor, std::string& text) {
  char buffer[65536];
  const ssize_t bytes = ::read(descriptor, buffer, sizeof(buffer));
  if (bytes > 0) {
    text.append(buffer, static_cast<std::size_t>(bytes));
    return true;
  }
  ::close(descriptor);
  descriptor = -1;
  return false;
}

// Gone, or dead and only waiting to be collected by its parent.
bool Gone(pid_t process) {
  std::ifstream status("/proc/" + std::to_string(process) + "/stat");
  std::string text;
  std::getline(status, text);
  const auto end = text.rfind(')');
  return end == std::string::npos || text.at(end + 2) == 'Z' || text.at(end + 2) == 'X';
}

}  // namespace

ChildProcess::ChildProcess(const Options& options) : since_(Now()) {
  int out[2];
  int err[2];
  if (::pipe2(out, O_CLOEXEC) != 0 || ::pipe2(err, O_CLOEXEC) != 0) {
    throw std::runtime_error("no pipe");
  }
  const int in = InputFile(options.input);
  pid_ = ::fork();
  if (pid_ == 0) {
    ::dup2(in, STDIN_FILENO);
    ::dup2(out[1], STDOUT_FILENO);
    ::dup2(err[1], STDERR_FILENO);
    for (const auto& [name, value] : options.environment) ::setenv(name.c_str(), value.c_str(), 1);
    std::vector<char*> arguments;
    for (const std::string& text : options.command) {
      arguments.push_back(const_cast<char*>(text.c_str()));
    }
    arguments.push_back(nullptr);
    ::execv(arguments[0], arguments.data());
    ::_exit(127);
  }
  ::close(in);
  ::close(out[1]);
  ::close(err[1]);
  output_ = out[0];
  errors_ = err[0];
}

ChildProcess::~ChildProcess() {
  if (pid_ > 0) {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  if (output_ >= 0) ::close(output_);
  if (errors_ >= 0) ::close(errors_);
}

void ChildProcess::Mark() { since_ = Now(); }

void ChildProcess::Signal(int signal_number) {
  Mark();
  ::kill(pid_, signal_number);
}

bool ChildProcess::Pump(int timeout_ms) {
  if (output_ < 0 && errors_ < 0) return false;
  pollfd sources[2] = {{output_, POLLIN, 0}, {errors_, POLLIN, 0}};
  if (::poll(sources, 2, timeout_ms) <= 0) return true;
  if (sources[0].revents != 0) Append(output_, output_text_);
  if (sources[1].revents != 0) Append(errors_, error_text_);
  return true;
}

std::string ChildProcess::WaitForLine(const std::string& prefix) {
  const double limit = Now() + 30;
  while (Now() < limit) {
    for (auto end = output_text_.find('\n', read_up_to_); end != std::string::npos;
         end = output_text_.find('\n', read_up_to_)) {
      const std::string line = output_text_.substr(read_up_to_, end - read_up_to_);
      read_up_to_ = end + 1;
      if (line.starts_with(prefix)) return line;
    }
    if (output_ < 0 || !Pump(100)) return "";
  }
  return "";
}

void ChildProcess::CloseOutput() {
  Mark();
  ::close(output_);
  output_ = -1;
}

ChildProcess::Result ChildProcess::Wait() {
  const double limit = Now() + 60;
  int status = 0;
  bool ended = false;
  while (!ended && Now() < limit) {
    if (!Pump(20)) std::this_thread::sleep_for(std::chrono::milliseconds(20));
    ended = ::waitpid(pid_, &status, WNOHANG) == pid_;
  }
  const double seconds = Now() - since_;
  if (ended) pid_ = -1;
  // What it has left in the pipes; a survivor that holds them open must not hold us.
  const double drain_limit = Now() + 2;
  while (ended && Now() < drain_limit && Pump(100)) {
  }
  const int code = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
  return {ended ? code : -1, output_text_, error_text_, seconds};
}

bool AllGone(const std::vector<pid_t>& processes) {
  const double limit = Now() + 10;
  while (Now() < limit) {
    if (std::all_of(processes.begin(), processes.end(), Gone)) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  return false;
}

}  // namespace lockstep::testing
