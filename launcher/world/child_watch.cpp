#include "launcher/world/child_watch.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <vector>

#include "core/error.h"
#include "core/log.h"

namespace lockstep {
namespace {

// A pipe with room takes this much without blocking.
constexpr std::size_t kRelayBytes = 4096;

sigset_t WatchedSignals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGCHLD);
  struct sigaction hangup {};
  ::sigaction(SIGHUP, nullptr, &hangup);
  if (hangup.sa_handler != SIG_IGN) sigaddset(&set, SIGHUP);  // nohup
  return set;
}

}  // namespace

ChildWatch::ChildWatch() {
  const sigset_t watched = WatchedSignals();
  ::sigprocmask(SIG_BLOCK, &watched, &before_);
  signals_ = ::signalfd(-1, &watched, SFD_CLOEXEC | SFD_NONBLOCK);
  if (signals_ < 0) throw EnvironmentError("signalfd: {}", ::strerror(errno));
}

ChildWatch::~ChildWatch() {
  CloseOutput();
  ::close(signals_);
  ::sigprocmask(SIG_SETMASK, &before_, nullptr);
}

ChildEnd ChildWatch::Run(const Child& child) {
  mpirun_ = child.mpirun;
  output_ = child.output;
  board_ = &child.board;
  ::fcntl(output_, F_SETFL, O_NONBLOCK);
  while (Step()) {
  }
  return end_;
}

// Waits for one event and handles it; false when mpirun has ended and its output is written.
bool ChildWatch::Step() {
  if (ended_ && output_ < 0) return false;
  pollfd sources[2] = {{signals_, POLLIN, 0}, {output_, POLLIN, 0}};
  if (!unwritten_.empty()) sources[1] = {STDOUT_FILENO, POLLOUT, 0};
  // Once mpirun has ended its pipe holds all there will ever be, even if some stray process
  // keeps it open: no waiting then.
  const bool drain = ended_ && unwritten_.empty();
  const int ready = ::poll(sources, 2, drain ? 0 : -1);
  if (ready < 0 && errno != EINTR) throw EnvironmentError("poll: {}", ::strerror(errno));
  if (sources[0].revents != 0) TakeSignals();
  if (ready > 0 && sources[1].revents != 0) Relay();
  if (ready == 0) CloseOutput();
  return true;
}

void ChildWatch::TakeSignals() {
  signalfd_siginfo info{};
  while (::read(signals_, &info, sizeof(info)) == static_cast<ssize_t>(sizeof(info))) {
    if (info.ssi_signo != SIGCHLD) {
      end_.interrupted = true;
      Interrupt();
    } else if (!ended_ && ::waitpid(mpirun_, &end_.wait_status, WNOHANG) == mpirun_) {
      ended_ = true;
    }
  }
}

// First in good order, then by force.
void ChildWatch::Interrupt() {
  if (ended_) return;
  if (++interrupts_ == 1) {
    board_->RequestStop();
    ::kill(mpirun_, SIGUSR1);
    return;
  }
  ::kill(-mpirun_, SIGKILL);  // the ranks die with it
}

void ChildWatch::Relay() {
  if (unwritten_.empty()) {
    char buffer[kRelayBytes];
    const ssize_t bytes = ::read(output_, buffer, sizeof(buffer));
    if (bytes == 0) CloseOutput();
    if (bytes > 0) unwritten_.assign(buffer, static_cast<std::size_t>(bytes));
    return;
  }
  // SIGPIPE would end us before the ranks are told.
  const auto previous = ::signal(SIGPIPE, SIG_IGN);
  const ssize_t written = ::write(STDOUT_FILENO, unwritten_.data(), unwritten_.size());
  const int error = errno;
  ::signal(SIGPIPE, previous);
  if (written >= 0) {
    unwritten_.erase(0, static_cast<std::size_t>(written));
  } else if (error != EINTR && error != EAGAIN) {
    // Goes on reading, into nothing, until the ranks have left in good order.
    if (!end_.output_closed) Interrupt();
    end_.output_closed = true;
    unwritten_.clear();
  }
}

void ChildWatch::CloseOutput() {
  if (output_ >= 0) ::close(output_);
  output_ = -1;
}

}  // namespace lockstep
