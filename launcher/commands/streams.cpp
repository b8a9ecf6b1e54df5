#include "launcher/commands/streams.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <system_error>

#include "core/error.h"

namespace lockstep {
namespace {

std::string LastError() { return std::generic_category().message(errno); }

std::string ReadStandardInput() {
  std::string text;
  char buffer[64 * 1024];
  for (;;) {
    const ssize_t count = ::read(STDIN_FILENO, buffer, sizeof(buffer));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) throw EnvironmentError("standard input: cannot be read: {}", LastError());
    if (count == 0) return text;
    text.append(buffer, static_cast<std::size_t>(count));
  }
}

// Puts a file without a name, holding `text`, in the place of standard input.
void ReplaceStandardInput(std::string_view text) {
  std::FILE* copy = std::tmpfile();
  const bool written = copy != nullptr &&
                       std::fwrite(text.data(), 1, text.size(), copy) == text.size() &&
                       std::fflush(copy) == 0;
  if (written) std::rewind(copy);
  const bool replaced = written && ::dup2(::fileno(copy), STDIN_FILENO) >= 0;
  const std::string why = LastError();
  if (copy != nullptr) std::fclose(copy);
  if (!replaced)
    throw EnvironmentError("standard input: no room for a copy in the temporary folder: {}", why);
}

// Whether it exists and is no regular file: renaming a new file over /dev/null would be a bad
// surprise.
bool IsDevice(const std::string& output) {
  std::error_code ignored;
  const auto status = std::filesystem::status(output, ignored);
  if (std::filesystem::is_directory(status))
    throw EnvironmentError("{}: is a folder; expected a file to write", output);
  return std::filesystem::exists(status) && !std::filesystem::is_regular_file(status);
}

}  // namespace

std::string ReadInput(const std::string& input) {
  if (input != "-") return ReadStream(input);
  const std::string text = ReadStandardInput();
  ReplaceStandardInput(text);
  return text;
}

std::string InputName(const std::string& input) { return input == "-" ? "standard input" : input; }

bool AppearsWhole(const std::string& output) { return output != "-" && !IsDevice(output); }

void CheckWritable(const std::string& output) {
  if (output == "-") return;
  // A pipe is not opened for a check: its reader would take that for the end.
  if (!IsDevice(output))
    AtomicFile unused(output);
  else if (::access(output.c_str(), W_OK) != 0)
    throw EnvironmentError("{}: cannot be written: {}", output, LastError());
}

void RefuseSameFile(const std::string& input, const std::string& output) {
  std::error_code none_there;
  const bool same = input != "-" && AppearsWhole(output) &&
                    std::filesystem::equivalent(input, output, none_there);
  if (same)
    throw BadInput("{}: is the input, which the output would replace; give --output another name",
                   output);
}

Output::Output(const std::string& output) : name_(output) {
  if (output == "-") return;
  if (!IsDevice(output)) {
    file_ = std::make_unique<AtomicFile>(output);
    return;
  }
  device_.emplace(output, std::ios::binary);
  if (!*device_) throw EnvironmentError("{}: cannot be written: {}", output, LastError());
}

void Output::Write(std::string_view text) {
  if (file_ != nullptr) return file_->Write(text);
  if (!device_) return WriteStandardOutput(text);
  device_->write(text.data(), static_cast<std::streamsize>(text.size()));
  if (!device_->flush()) throw EnvironmentError("{}: writing failed: {}", name_, LastError());
}

void Output::Commit() {
  if (file_ != nullptr) file_->Commit();
}

void OrderedOutput::Put(std::size_t index, std::string line) {
  waiting_[index] = std::move(line);
  for (; !waiting_.empty() && waiting_.begin()->first == next_; ++next_) {
    output_.Write(waiting_.begin()->second);
    waiting_.erase(waiting_.begin());
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
  while (!text.empty()) {
    const ssize_t count = ::write(STDOUT_FILENO, text.data(), text.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) throw EnvironmentError("standard output: cannot be written: {}", LastError());
    text.remove_prefix(static_cast<std::size_t>(count));
  }
}

}  // namespace lockstep
