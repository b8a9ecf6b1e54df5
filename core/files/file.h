#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/files/locked_file.h"
#include "core/files/truncation_guard.h"

namespace lockstep {

// The whole file as bytes. Throws BadInput when it is missing or no regular file (a pipe would be
// waited for, a device may have no end), EnvironmentError when unreadable.
std::string ReadFile(const std::filesystem::path& path);

// The same of anything that can be read to an end, pipes among them: what a user may put in place
// of a file, such as <(command) in a shell.
std::string ReadStream(const std::filesystem::path& path);

// Whether there is such an entry of a folder, be it a symbolic link that leads nowhere: opening it
// then tells which file is missing. Throws EnvironmentError where that cannot be found out.
bool FileExists(const std::filesystem::path& path);

// Whether it is, or leads to, one of these. Throw EnvironmentError where that cannot be found out.
bool IsFolder(const std::filesystem::path& path);
bool IsRegularFile(const std::filesystem::path& path);

// A file mapped read-only. Pages are read when touched; Release() gives them back, so that
// loading a checkpoint never holds more of it in memory than it is copying.
class MappedFile {
 public:
  // Throws BadInput when the file is missing or no regular file, EnvironmentError otherwise.
  explicit MappedFile(const std::filesystem::path& path);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  std::span<const std::byte> bytes() const { return {data_, size_}; }
  const std::filesystem::path& path() const { return path_; }

  // Hints for the byte range [offset, offset + length): about to be read, so that the disk starts
  // on it now; no longer needed, so that its pages leave this process (not the page cache).
  void Prefetch(std::size_t offset, std::size_t length) const;
  void Release(std::size_t offset, std::size_t length) const;

  // From now on only the pages that are touched or prefetched are read, not their neighbours: for
  // a reader that takes a few columns out of every row and says what it takes.
  void DisableReadAhead() const;

  // Throws EnvironmentError when the file has become shorter since it was mapped: what lay past its
  // end reads as zeros then. To be called after reading, before what was read is used.
  void CheckIntact() const;

 private:
  std::filesystem::path path_;
  int descriptor_ = -1;
  const std::byte* data_ = nullptr;
  std::size_t size_ = 0;
  std::unique_ptr<TruncationGuard> guard_;
};

// The names in a folder, sorted. Throws EnvironmentError.
std::vector<std::string> NamesIn(const std::filesystem::path& folder);

// The file itself that a path leads to, through symbolic links; it need not exist.
std::filesystem::path WithoutLinks(std::filesystem::path path);

// Throws EnvironmentError when a new file may not take this one's place: a folder, or a file that
// is there and may not be written.
void CheckReplaceable(const std::filesystem::path& path);

// Puts a file in the place of another. Throws EnvironmentError.
void Replace(const std::filesystem::path& from, const std::filesystem::path& to);

// Writes beside `path` and renames over it on Commit(): a reader sees the old file or the whole
// new one, never half. Without Commit() the destructor removes what was written.
class AtomicFile {
 public:
  // Throws EnvironmentError when it cannot be written, or another process is writing it.
  explicit AtomicFile(const std::filesystem::path& path);
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  void Write(std::string_view text);  // Throws EnvironmentError naming the file, e.g. disk full.
  void Commit();

 private:
  void Flush();

  std::filesystem::path path_;
  std::unique_ptr<LockedFile> temporary_;
  std::string unwritten_;
};

}  // namespace lockstep
