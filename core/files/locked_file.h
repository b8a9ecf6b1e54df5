#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

namespace lockstep {

// A file that one process writes: opened or created, and locked as long as the object lives. It is
// only appended to.
class LockedFile {
 public:
  // Waits a while for another process to end. Throws EnvironmentError when that goes on writing, or
  // the file cannot be opened. name: what messages call it.
  LockedFile(std::filesystem::path path, std::string name);
  ~LockedFile();
  LockedFile(const LockedFile&) = delete;
  LockedFile& operator=(const LockedFile&) = delete;

  int descriptor() const { return file_; }
  const std::filesystem::path& path() const { return path_; }

  // Throw EnvironmentError with the reason.
  void Write(std::string_view text) const;
  void Truncate(std::int64_t bytes) const;
  void Flush() const;  // to the disk

 private:
  bool TryToLock();
  void Close();

  std::filesystem::path path_;
  std::string name_;
  int file_ = -1;
};

}  // namespace lockstep
