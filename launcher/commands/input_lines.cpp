#include "launcher/commands/input_lines.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <system_error>
#include <vector>

#include "core/error.h"
#include "launcher/commands/json_lines.h"
#include "launcher/commands/streams.h"

namespace lockstep {
namespace {

std::string LastError() { return std::generic_category().message(errno); }

// Names the input that has taken the place of standard input, for the ranks we start.
constexpr const char* kKeptVariable = "LOCKSTEP_KEPT_INPUT";

bool IsKept(const std::string& input) {
  const char* kept = std::getenv(kKeptVariable);
  return kept != nullptr && input == kept;
}

// A folder or nothing at all is not for copying either: there will be a better message.
bool CanBeReadAgain(const std::string& input) {
  struct stat info {};
  const int code = input == "-" ? ::fstat(STDIN_FILENO, &info) : ::stat(input.c_str(), &info);
  if (code != 0) return input != "-";
  return S_ISREG(info.st_mode) || (input != "-" && S_ISDIR(info.st_mode));
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
    const ssize_t count = ::read(from, buffer.data(), buffer.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) throw EnvironmentError("{}: cannot be read: {}", InputName(input), LastError());
    if (count == 0) return std::fflush(copy) == 0 && std::fseek(copy, 0, SEEK_SET) == 0;
    const auto size = static_cast<std::size_t>(count);
    if (std::fwrite(buffer.data(), 1, size, copy) != size) return false;
  }
}

std::ifstream Open(const std::string& input) {
  const std::string path = InputPath(input);
  std::error_code ignored;
  if (!std::filesystem::exists(path, ignored)) throw BadInput("{}: no such file", InputName(input));
  if (std::filesystem::is_directory(path, ignored))
    throw BadInput("{}: is a folder; expected a file", InputName(input));
  std::ifstream stream(path, std::ios::binary);
  if (!stream) throw EnvironmentError("{}: cannot be opened: {}", InputName(input), LastError());
  return stream;
}

// Blank or not, line by line, in text that comes in pieces.
class LineCounter {
 public:
  void Add(const char* text, std::size_t size) {
    for (std::size_t i = 0; i < size; ++i) {
      if (text[i] == '\n') {
        Finish();
      } else if (text[i] != ' ' && text[i] != '\t' && text[i] != '\r') {
        filled_ = true;
      }
    }
  }
  std::int64_t Finish() {
    if (filled_) ++count_;
    filled_ = false;
    return count_;
  }

 private:
  std::int64_t count_ = 0;
  bool filled_ = false;
};

}  // namespace

std::string InputPath(const std::string& input) {
  return input == "-" || IsKept(input) ? "/proc/self/fd/0" : input;
}

void KeepInput(const std::string& input) {
  if (IsKept(input) || CanBeReadAgain(input)) return;
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

InputSummary SummarizeInput(const std::string& input) {
  std::ifstream stream = Open(input);
  constexpr std::uint64_t kBasis = 0xCBF29CE484222325u, kPrime = 0x100000001B3u;
  InputSummary summary{.hash = kBasis};
  LineCounter lines;
  std::vector<char> buffer(1 << 20);
  while (stream) {
    stream.read(buffer.data(), static_cast<std::streamsize>(buffer.size()));
    const auto count = static_cast<std::size_t>(stream.gcount());
    for (std::size_t i = 0; i < count; ++i)
      summary.hash = (summary.hash ^ static_cast<unsigned char>(buffer[i])) * kPrime;
    lines.Add(buffer.data(), count);
    summary.bytes += static_cast<std::int64_t>(count);
  }
  if (stream.bad()) throw EnvironmentError("{}: reading failed", InputName(input));
  summary.lines = lines.Finish();
  return summary;
}

InputLines::InputLines(const std::string& input) : name_(InputName(input)), stream_(Open(input)) {}

std::optional<InputLines::Line> InputLines::Next() {
  Line line;
  while (std::getline(stream_, line.text)) {
    ++number_;
    if (IsBlank(line.text)) continue;
    line.where = fmt::format("{}:{}", name_, number_);
    return line;
  }
  if (stream_.bad()) throw EnvironmentError("{}: reading failed", name_);
  return std::nullopt;
}

}  // namespace lockstep
