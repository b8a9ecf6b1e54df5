#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/fnv.h"

namespace lockstep {

// Makes sure that an input can be read more than once, by this process and by those it starts:
// what is no file (a pipe, with a name or without) is copied into one without a name, which takes
// the place of standard input.
void KeepInput(const std::string& input);

// What to open to read it.
std::string InputPath(const std::string& input);

// Tells a file from another, and from itself after it was written to.
struct FileStamp {
  std::uint64_t device = 0;
  std::uint64_t inode = 0;
  std::int64_t bytes = 0;
  std::int64_t modified_ns = 0;
  std::int64_t changed_ns = 0;

  bool operator==(const FileStamp&) const = default;
};

// Of the file that the name leads to now; nothing where there is none.
std::optional<FileStamp> StampOf(const std::string& input);

constexpr std::size_t kInputBlockBytes = std::size_t{1} << 20;

// An input, read block by block.
class InputFile {
 public:
  // A file, or "-". Throws BadInput when it is missing or no file, EnvironmentError when it
  // cannot be opened.
  explicit InputFile(const std::string& input);
  ~InputFile();
  InputFile(const InputFile&) = delete;
  InputFile& operator=(const InputFile&) = delete;

  // The next block: whole but for the last one; empty at the end. Lives until the next call.
  std::string_view ReadBlock();

  FileStamp stamp() const;

 private:
  std::string input_;
  int file_ = -1;
  std::vector<char> block_;
};

}  // namespace lockstep
