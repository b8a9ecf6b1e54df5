#include "runtime/spawn/child_watch.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <string>
#include <utility>

#include "core/error.h"
#include "core/log.h"
#include "core/logging/structured_log.h"
#include "runtime/world/launcher_end.h"

namespace lockstep {
namespace {

constexpr int kStartLookMilliseconds = 100;
constexpr int kEndLookMilliseconds = 1000;
constexpr double kLongestGapSeconds = 1.0;
// From an order to end, or the user's interrupt, to force; as long as no rank has started.
constexpr double kGraceSeconds = 1.5;
// What mpirun may take to end after the last rank has, or after one has said why the world ends.
constexpr double kEndSeconds = 10;

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

void WriteErrors(std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = ::write(STDERR_FILENO, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return;  // nowhere to complain to
    text.remove_prefix(static_cast<std::size_t>(written));
  }
}

// Gone, or dead and not collected by its parent yet.
bool HasEnded(pid_t process) {
  std::ifstream file(fmt::format("/proc/{}/stat", process));
  std::string text;
  std::getline(file, text);
  const auto name_end = text.rfind(')');
  return name_end == text.npos || text.substr(name_end).starts_with(") Z") ||
         text.substr(name_end).starts_with(") X");
}

}  // namespace

ChildWatch::ChildWatch() {
  const sigset_t watched = WatchedSignals();
  ::sigprocmask(SIG_BLOCK, &watched, &before_);
  signals_ = ::signalfd(-1, &watched, SFD_CLOEXEC | SFD_NONBLOCK);
  if (signals_ < 0) throw EnvironmentError("signalfd: {}", ::strerror(errno));
}

ChildWatch::~ChildWatch() {
  if (errors_ >= 0) ::close(errors_);
  ::close(signals_);
  ::sigprocmask(SIG_SETMASK, &before_, nullptr);
}

ChildEnd ChildWatch::Run(const Child& child) {
  mpirun_ = child.mpirun;
  words_.set_process(mpirun_);
  errors_ = child.errors;
  output_ = std::make_unique<OutputRelay>(child.output, child.target);
  board_ = &child.board;
  inbox_ = child.inbox;
  start_deadline_ = child.start_deadline_seconds;
  last_look_ = std::chrono::steady_clock::now();
  ::fcntl(errors_, F_SETFL, O_NONBLOCK);
  while (Step()) {
  }
  Say(words_.Finish());
  if (!unended_.empty()) Say("\n");
  end_.output_error = output_->error();
  end_.explanation = words_.explanation();
  end_.remarks = words_.remarks();
  end_.ranks_ended = words_.ranks_ended();
  end_.ended_rank = words_.ended_rank();
  end_.ended_host = words_.ended_host();
  return end_;
}

// Waits for one event and handles it; false when mpirun has ended and its output is written.
bool ChildWatch::Step() {
  if (ended_ && output_->done() && errors_ < 0) return false;
  pollfd sources[4] = {{signals_, POLLIN, 0},
                       output_->Awaited(),
                       {errors_, POLLIN, 0},
                       {inbox_ != nullptr ? inbox_->descriptor() : -1, POLLIN, 0}};
  // Once mpirun has ended its pipes hold all there will ever be, even if some stray process
  // keeps them open: no waiting then.
  const bool drain = ended_ && !output_->waits_for_reader();
  const int patience = started_ ? kEndLookMilliseconds : kStartLookMilliseconds;
  const int ready = ::poll(sources, 4, drain ? 0 : ended_ ? -1 : patience);
  if (ready < 0 && errno != EINTR) throw EnvironmentError("poll: {}", ::strerror(errno));
  if (ready > 0 && sources[0].revents != 0) TakeSignals();
  if (ready > 0 && sources[2].revents != 0) TakeErrors();
  if (ready > 0 && sources[3].revents != 0) inbox_->Receive(*board_);
  if (ready > 0 && sources[1].revents != 0 && !output_->Move()) Stop();
  if (ready == 0 && drain) {
    output_->CloseSource();
    if (errors_ >= 0) ::close(std::exchange(errors_, -1));
  }
  const double seconds = Elapsed();
  if (!ended_ && started_) WatchTheEnd(seconds);
  if (!ended_ && !started_) WatchTheStart(seconds);
  return true;
}

void ChildWatch::TakeSignals() {
  signalfd_siginfo info{};
  while (::read(signals_, &info, sizeof(info)) == static_cast<ssize_t>(sizeof(info))) {
    if (info.ssi_signo != SIGCHLD) {
      Interrupt();
    } else if (!ended_ && ::waitpid(mpirun_, &end_.wait_status, WNOHANG) == mpirun_) {
      ended_ = true;
    }
  }
}

void ChildWatch::TakeErrors() {
  char buffer[4096];
  const ssize_t bytes = ::read(errors_, buffer, sizeof(buffer));
  if (bytes == 0) ::close(std::exchange(errors_, -1));
  if (bytes > 0) Say(words_.Pass({buffer, static_cast<std::size_t>(bytes)}));
}

// As it comes; in JSON line by line.
void ChildWatch::Say(std::string_view text) {
  if (CurrentLogFormat() != LogFormat::kJson) return WriteErrors(text);
  unended_ += text;
  for (auto end = unended_.find('\n'); end != unended_.npos; end = unended_.find('\n')) {
    WriteForeignLine(std::string_view(unended_).substr(0, end));
    unended_.erase(0, end + 1);
  }
}

// First in good order, then by force.
void ChildWatch::Interrupt() {
  if (ended_) return;
  end_.interrupted = true;
  if (++interrupts_ > 1) return EndByForce();
  LogInfo("interrupted; the ranks are leaving (a second time ends them at once)");
  Stop();
}

void ChildWatch::Stop() {
  if (std::exchange(stopping_, true) || ended_) return;
  board_->stop() = 1;
  ::kill(mpirun_, SIGUSR1);
  if (force_at_ == 0) force_at_ = waited_ + kGraceSeconds;
}

void ChildWatch::EndByForce() {
  KillLauncher(mpirun_);
  ::kill(-mpirun_, SIGKILL);  // the ranks die with it
}

bool ChildWatch::AnyRankHasStarted() const {
  for (int rank = 0; rank < board_->ranks(); ++rank) {
    if (board_->slot(rank).state != RankState::kAbsent) return true;
  }
  return false;
}

double ChildWatch::Elapsed() {
  const auto now = std::chrono::steady_clock::now();
  const std::chrono::duration<double> gap = now - std::exchange(last_look_, now);
  return std::min(gap.count(), kLongestGapSeconds);
}

// An mpirun that has not started a rank yet may never do so, nor listen.
void ChildWatch::WatchTheStart(double seconds) {
  started_ = AnyRankHasStarted();
  if (started_) return;
  waited_ += seconds;
  if (force_at_ > 0 && waited_ >= force_at_) return EndByForce();
  if (end_.seconds_without_rank > 0 || waited_ < start_deadline_) return;
  end_.seconds_without_rank = start_deadline_;
  ::kill(mpirun_, SIGTERM);
  force_at_ = waited_ + kGraceSeconds;
}

bool ChildWatch::AllRanksHaveEnded() const {
  for (int rank = 0; rank < board_->ranks(); ++rank) {
    const pid_t process = board_->slot(rank).process;
    if (process == 0 || !HasEnded(process)) return false;
  }
  return true;
}

bool ChildWatch::AnyRankHasReported() const {
  for (int rank = 0; rank < board_->ranks(); ++rank) {
    if (board_->slot(rank).state == RankState::kReported) return true;
  }
  return false;
}

// Now and then mpirun waits for ever for what ranks that ended together have not said, and always
// for a host that has vanished.
void ChildWatch::WatchTheEnd(double seconds) {
  abandoned_ = AllRanksHaveEnded() || AnyRankHasReported() ? abandoned_ + seconds : 0;
  if (abandoned_ < kEndSeconds) return;
  end_.stuck = true;
  EndByForce();
}

}  // namespace lockstep
