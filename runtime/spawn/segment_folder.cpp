#include "runtime/spawn/segment_folder.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <system_error>

namespace lockstep {
namespace {

namespace fs = std::filesystem;

constexpr const char* kSharedMemory = "/dev/shm";
constexpr const char* kSegmentFolders = "mpi-segments.";

// -1: somebody lives who has it, or it is not there, or another user's.
int TryToLockFolder(const std::string& path) {
  const int folder = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (folder < 0) return -1;
  struct stat locked = {};
  struct stat named = {};
  // The name may have gone, or be another's by now, between the two.
  if (::flock(folder, LOCK_EX | LOCK_NB) == 0 && ::fstat(folder, &locked) == 0 &&
      ::stat(path.c_str(), &named) == 0 && locked.st_ino == named.st_ino)
    return folder;
  ::close(folder);
  return -1;
}

void RemoveFolder(const std::string& path, int lock) {
  std::error_code ignored;
  fs::remove_all(path, ignored);
  ::close(lock);
}

void RemoveThoseLeft() {
  std::error_code ignored;
  for (const fs::directory_entry& entry : fs::directory_iterator(kSharedMemory, ignored)) {
    if (!entry.path().filename().string().starts_with(kSegmentFolders)) continue;
    if (const int lock = TryToLockFolder(entry.path()); lock >= 0) RemoveFolder(entry.path(), lock);
  }
}

}  // namespace

SegmentFolder::SegmentFolder() {
  RemoveThoseLeft();
  // Another process may have taken the new folder for one that was left, before it is locked.
  for (int attempt = 0; attempt < 10 && lock_ < 0; ++attempt) {
    path_ = std::string(kSharedMemory) + "/" + kSegmentFolders + "XXXXXX";
    if (::mkdtemp(path_.data()) == nullptr) break;
    lock_ = TryToLockFolder(path_);
  }
  if (lock_ < 0) path_.clear();
}

SegmentFolder::~SegmentFolder() {
  if (lock_ >= 0) RemoveFolder(path_, lock_);
}

}  // namespace lockstep
