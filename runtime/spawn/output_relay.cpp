#include "runtime/spawn/output_relay.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

namespace lockstep {
namespace {

// A pipe with room takes this much without blocking.
constexpr std::size_t kPieceBytes = 4096;

}  // namespace

OutputRelay::OutputRelay(int source, int target) : source_(source), target_(target) {
  ::fcntl(source_, F_SETFL, O_NONBLOCK);
}

OutputRelay::~OutputRelay() { CloseSource(); }

pollfd OutputRelay::Awaited() const {
  if (!unwritten_.empty()) return {target_, POLLOUT, 0};
  return {source_, POLLIN, 0};
}

bool OutputRelay::Move() {
  if (!unwritten_.empty()) return Write();
  char buffer[kPieceBytes];
  const ssize_t bytes = ::read(source_, buffer, sizeof(buffer));
  if (bytes == 0) CloseSource();
  if (bytes > 0 && error_ == 0) unwritten_.assign(buffer, static_cast<std::size_t>(bytes));
  return true;
}

bool OutputRelay::Write() {
  // SIGPIPE would end us before the ranks are told.
  const auto previous = ::signal(SIGPIPE, SIG_IGN);
  const ssize_t written = ::write(target_, unwritten_.data(), unwritten_.size());
  const int error = errno;
  ::signal(SIGPIPE, previous);
  if (written >= 0) {
    unwritten_.erase(0, static_cast<std::size_t>(written));
    return true;
  }
  if (error == EINTR || error == EAGAIN) return true;
  // Goes on reading, into nothing, until the ranks have left in good order.
  error_ = error;
  unwritten_.clear();
  return false;
}

void OutputRelay::CloseSource() {
  if (source_ >= 0) ::close(source_);
  source_ = -1;
}

}  // namespace lockstep
