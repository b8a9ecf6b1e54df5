#include "batch/files/input_file.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <system_error>

#include "core/error.h"
#include "core/heartbeat.h"
#include "runtime/standard_streams.h"

namespace lockstep {
namespace {

std::string LastError() { return std::generic_category().message(errno); }

// Names the input that has taken the place of standard input, for the ranks we start.
constexpr const char* kKeptVariable = "LOCKSTEP_KEPT_INPUT";

bool IsKept(const std::string& input) {
  const char* kept = std::getenv(kKeptVariable);
  return kept != nullptr && input == kept;
}

bool IsTerminal(const std::string& input) {
  const int file = input == "-" ? ::dup(STDIN_FILENO) : ::open(input.c_str(), O_RDONLY | O_NOCTTY);
  const bool terminal = ::isatty(file) != 0;
  ::close(file);
  return terminal;
}

// Whether what it gives can be read only once: a pipe, a terminal, or a socket that someone has
// made our standard input. Throws BadInput for what is no list of requests: disks and endless
// devices.
bool ComesOnce(const std::string& input) {
  struct stat info {};
  const bool standard = input == "-";
  if ((standard ? ::fstat(STDIN_FILENO, &info) : ::stat(input.c_str(), &info)) != 0)
    return standard;  // opening it has the better message
  if (S_ISFIFO(info.st_mode)) return true;
  if (S_ISSOCK(info.st_mode) && standard) return true;
  if (S_ISREG(info.st_mode) || S_ISDIR(info.st_mode)) return false;
  const bool null = S_ISCHR(info.st_mode) && info.st_rdev == makedev(1, 3);
  if (null || (S_ISCHR(info.st_mode) && IsTerminal(input))) return true;
  throw BadInput("{}: is a {}; expected a file or a pipe", InputName(input),
                 S_ISSOCK(info.st_mode) ? "socket" : "device");
}

int OpenOnce(const std::string& input) {
  const int file = input == "-" ? ::dup(STDIN_FILENO) : ::open(input.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) throw EnvironmentError("{}: cannot be opened: {}", InputName(input), LastError());
  return file;
}

// Copies all that comes from there. False, with errno, when there is no room.
bool CopyTo(std::FILE* copy, int from, const std::string& input) {
  std::vector<char> buffer(1 << 16);
  for (;;) {
    Heartbeat();
    pollfd source{from, POLLIN, 0};
    if (::poll(&source, 1, 100) == 0) continue;  // whoever writes may take their time
    const ssize_t count = ::read(from, buffer.data(), buffer.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) throw EnvironmentError("{}: cannot be read: {}", InputName(input), LastError());
    if (count == 0) return std::fflush(copy) == 0 && std::fseek(copy, 0, SEEK_SET) == 0;
    const auto size = static_cast<std::size_t>(count);
    if (std::fwrite(buffer.data(), 1, size, copy) != size) return false;
  }
}

std::int64_t Nanoseconds(const timespec& time) {
  return std::int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

FileStamp Stamp(const struct stat& info) {
  return {.device = info.st_dev,
          .inode = info.st_ino,
          .bytes = info.st_size,
          .modified_ns = Nanoseconds(info.st_mtim),
          .changed_ns = Nanoseconds(info.st_ctim)};
}

}  // namespace

std::string InputPath(const std::string& input) {
  return input == "-" || IsKept(input) ? "/proc/self/fd/0" : input;
}

void KeepInput(const std::string& input) {
  if (IsKept(input) || !ComesOnce(input)) return;
  const int from = OpenOnce(input);
  std::FILE* copy = std::tmpfile();
  const bool well =
      copy != nullptr && CopyTo(copy, from, input) && ::dup2(::fileno(copy), STDIN_FILENO) >= 0;
  const std::string why = LastError();
  if (copy != nullptr) std::fclose(copy);
  ::close(from);
  if (!well)
    throw EnvironmentError("{}: no room for a copy in the temporary folder: {}", InputName(input),
                           why);
  ::setenv(kKeptVariable, input.c_str(), 1);
}

std::optional<FileStamp> StampOf(const std::string& input) {
  struct stat info {};
  if (::stat(InputPath(input).c_str(), &info) != 0) return std::nullopt;
  return Stamp(info);
}

InputFile::InputFile(const std::string& input) : input_(input), block_(kInputBlockBytes) {
  file_ = ::open(InputPath(input).c_str(), O_RDONLY | O_CLOEXEC);
  if (file_ < 0 && (errno == ENOENT || errno == ENOTDIR))
    throw BadInput("{}: no such file", InputName(input));
  if (file_ < 0) throw EnvironmentError("{}: cannot be opened: {}", InputName(input), LastError());
  struct stat info {};
  if (::fstat(file_, &info) == 0 && S_ISDIR(info.st_mode)) {
    ::close(file_);
    throw BadInput("{}: is a folder; expected a file", InputName(input));
  }
}

InputFile::~InputFile() { ::close(file_); }

std::string_view InputFile::ReadBlock() {
  std::size_t size = 0;
  while (size < block_.size()) {
    const ssize_t count = ::read(file_, block_.data() + size, block_.size() - size);
    if (count == 0) break;
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) throw EnvironmentError("{}: reading failed: {}", InputName(input_), LastError());
    size += static_cast<std::size_t>(count);
  }
  return {block_.data(), size};
}

FileStamp InputFile::stamp() const {
  struct stat info {};
  ::fstat(file_, &info);
  return Stamp(info);
}

}  // namespace lockstep
