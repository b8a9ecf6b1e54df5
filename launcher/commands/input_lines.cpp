#include "launcher/commands/input_lines.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <system_error>
#include <vector>

#include "core/error.h"
#include "launcher/commands/json_lines.h"
#include "launcher/commands/streams.h"

namespace lockstep {
namespace {

std::string LastError() { return std::generic_category().message(errno); }

bool CanBeReadAgain(int descriptor) {
  struct stat info {};
  return ::fstat(descriptor, &info) == 0 && S_ISREG(info.st_mode);
}

std::ifstream Open(const std::string& input) {
  const std::string path = input == "-" ? "/proc/self/fd/0" : input;
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

void KeepStandardInput(const std::string& input) {
  if (input != "-" || CanBeReadAgain(STDIN_FILENO)) return;
  std::FILE* copy = std::tmpfile();
  std::vector<char> buffer(1 << 16);
  bool well = copy != nullptr;
  for (ssize_t count = 1; well && count != 0;) {
    count = ::read(STDIN_FILENO, buffer.data(), buffer.size());
    if (count < 0 && errno != EINTR)
      throw EnvironmentError("standard input: cannot be read: {}", LastError());
    if (count > 0)
      well = std::fwrite(buffer.data(), 1, static_cast<std::size_t>(count), copy) ==
             static_cast<std::size_t>(count);
  }
  well = well && std::fflush(copy) == 0 && std::fseek(copy, 0, SEEK_SET) == 0 &&
         ::dup2(::fileno(copy), STDIN_FILENO) >= 0;
  const std::string why = LastError();
  if (copy != nullptr) std::fclose(copy);
  if (!well)
    throw EnvironmentError("standard input: no room for a copy in the temporary folder: {}", why);
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
