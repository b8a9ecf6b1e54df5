#include "core/files/locked_file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <system_error>
#include <thread>
#include <utility>

#include "core/error.h"
#include "core/heartbeat.h"

namespace lockstep {
namespace {

std::string LastError() { return std::generic_category().message(errno); }

int Open(const std::filesystem::path& path, const std::string& name) {
  // Nonblocking: what is a pipe by mistake would hold us here.
  const int file = ::open(path.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NONBLOCK, 0666);
  if (file < 0)
    throw EnvironmentError(
        "{}: cannot be written: {}; check that the folder exists and is writable", name,
        LastError());
  return file;
}

}  // namespace

LockedFile::LockedFile(std::filesystem::path path, std::string name)
    : path_(std::move(path)), name_(std::move(name)) {
  // Ranks of a job whose launcher was killed are still there for a moment.
  constexpr int kTries = 150;
  for (int i = 0; i < kTries; ++i) {
    if (TryToLock()) return;
    Close();
    Heartbeat();
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
  throw EnvironmentError("{}: another process is writing this output; wait for it to end", name_);
}

LockedFile::~LockedFile() { Close(); }

bool LockedFile::TryToLock() {
  file_ = Open(path_, name_);
  struct stat mine {
  }, there{};
  if (::fstat(file_, &mine) == 0 && !S_ISREG(mine.st_mode) && !S_ISCHR(mine.st_mode))
    throw EnvironmentError("{}: is no regular file; remove it", path_.string());
  if (::flock(file_, LOCK_EX | LOCK_NB) == 0) {
    // Who had it before may have removed it: then this is a file without a name.
    return ::stat(path_.c_str(), &there) == 0 && mine.st_ino == there.st_ino;
  }
  if (errno == EWOULDBLOCK || errno == EINTR) return false;
  const std::string why = LastError();
  Close();
  throw EnvironmentError("{}: cannot be locked: {}; write to another file system", name_, why);
}

void LockedFile::Close() {
  if (file_ >= 0) ::close(file_);
  file_ = -1;
}

void LockedFile::Write(std::string_view text) const {
  while (!text.empty()) {
    const ssize_t count = ::write(file_, text.data(), text.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) throw EnvironmentError("{}: writing failed: {}", name_, LastError());
    text.remove_prefix(static_cast<std::size_t>(count));
  }
}

void LockedFile::Truncate(std::int64_t bytes) const {
  if (::ftruncate(file_, bytes) != 0)
    throw EnvironmentError("{}: cannot be shortened: {}", name_, LastError());
}

void LockedFile::Flush() const {
  BeatDuring([this] {
    if (::fsync(file_) != 0 && errno != EINVAL)  // of a device
      throw EnvironmentError("{}: writing failed: {}", name_, LastError());
  });
}

}  // namespace lockstep
