#include "runtime/standard_streams.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>

#include "core/error.h"
#include "core/heartbeat.h"
#include "runtime/world/interrupt.h"

namespace lockstep {
namespace {

// Waits until a pipe or a terminal takes more: whoever reads it may be slow, and the other ranks
// must not take that for our death.
void AwaitRoom(int file) {
  pollfd target{file, POLLOUT, 0};
  while (::poll(&target, 1, 100) == 0) {
    if (InterruptRequested()) throw Error(ExitCode::kInterrupted, "interrupted");
    Heartbeat();
  }
}

}  // namespace

std::string InputName(const std::string& input) { return input == "-" ? "standard input" : input; }

void WriteDescriptor(int file, std::string_view text, std::string_view failure) {
  // A pipe that has room takes this much at once.
  constexpr std::size_t kPieceBytes = 4096;
  while (!text.empty()) {
    AwaitRoom(file);
    const ssize_t count = ::write(file, text.data(), std::min(text.size(), kPieceBytes));
    if (count < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (count < 0)
      throw EnvironmentError("{}: {}", failure, std::generic_category().message(errno));
    text.remove_prefix(static_cast<std::size_t>(count));
  }
}

void OccupyStandardStreams() {
  // The lowest free number is taken first. Opened the wrong way round: every use fails.
  for (const int stream : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (::fcntl(stream, F_GETFD) >= 0) continue;
    const int file = ::open("/dev/null", stream == STDIN_FILENO ? O_WRONLY : O_RDONLY);
    if (file >= 0 && file != stream) ::close(file);
  }
}

void WriteStandardOutput(std::string_view text) {
  WriteDescriptor(STDOUT_FILENO, text, "standard output: cannot be written");
}

}  // namespace lockstep
