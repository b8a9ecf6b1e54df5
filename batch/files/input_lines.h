#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "batch/files/input_file.h"

namespace lockstep {

// Longer lines are passed over, so that no line can take all memory: a request is some kilobytes.
constexpr std::int64_t kMostLineBytes = std::int64_t{64} << 20;

// What is in an input, read through once.
struct InputSummary {
  std::int64_t bytes = 0;
  std::int64_t lines = 0;  // those that are not blank
  std::uint64_t hash = 0;  // of all bytes
  // Of all bytes up to the end of each block (kInputBlockBytes).
  std::vector<std::uint64_t> block_hashes = {};
  FileStamp stamp = {};  // of the file, before it was read

  bool SameContent(const InputSummary& other) const {
    return bytes == other.bytes && lines == other.lines && hash == other.hash;
  }
};
InputSummary SummarizeInput(const std::string& input);

// Throws EnvironmentError when the input's name leads to other content than was counted. An input
// that has been removed since is none: what was read of it is what was counted.
void CheckUnchanged(const std::string& input, const InputSummary& counted);

// The lines of a file one after the other: as much of it is in memory as one line is long.
class InputLines {
 public:
  struct Line {
    std::string text;    // empty where there are more than kMostLineBytes
    std::string where;   // "in.jsonl:3"
    std::int64_t bytes;  // without the line's end

    bool fits() const { return bytes <= kMostLineBytes; }
  };

  // A file, or "-". Throws BadInput when it is missing. Where it has been counted, every block is
  // compared with that before a line of it is given, and Next() throws EnvironmentError when it
  // differs; `counted` stays the caller's.
  explicit InputLines(const std::string& input, const InputSummary* counted = nullptr);

  // The next line that is not blank, or nothing at the end.
  std::optional<Line> Next();

  // What has been read so far; all of it after the last line.
  const InputSummary& read() const { return read_; }

 private:
  friend InputSummary SummarizeInput(const std::string& input);
  enum class Keep { kText, kNothing };

  InputLines(const std::string& input, const InputSummary* counted, Keep keep);
  bool ReadLine(Line& line);
  bool Fill();
  void CheckBlock() const;

  std::string input_;
  InputFile file_;
  const InputSummary* counted_;
  Keep keep_;
  InputSummary read_;
  Fnv1a hash_;
  std::string_view unread_;  // of the block
  std::int64_t number_ = 0;
};

// What a line that is too long is told.
std::string TooLong(const InputLines::Line& line);

}  // namespace lockstep
