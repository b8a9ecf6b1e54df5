#include "bench/result_files.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

#include "core/error.h"
#include "core/files/file.h"
#include "core/files/output_target.h"
#include "runtime/standard_streams.h"

namespace lockstep {
namespace {

void WriteToDevice(const std::string& file, std::string_view text) {
  const int device = ::open(file.c_str(), O_WRONLY | O_CLOEXEC | O_NOCTTY);
  if (device < 0)
    throw EnvironmentError("{}: cannot be written: {}", file,
                           std::generic_category().message(errno));
  try {
    WriteDescriptor(device, text, fmt::format("{}: writing failed", file));
  } catch (...) {
    ::close(device);
    throw;
  }
  ::close(device);
}

}  // namespace

void CheckResultFiles(std::span<const std::string> files, std::span<const std::string> read) {
  for (std::size_t i = 0; i < files.size(); ++i) {
    const std::string& file = files[i];
    if (file.empty()) continue;
    CheckWritable(file);
    for (const std::string& input : read)
      if (IsSameFile(file, input))
        throw BadInput("{}: is read, and a result would replace it; give the result another name",
                       file);
    for (const std::string& other : files.first(i))
      if (IsSameFile(file, other) || (file == "-" && other == "-"))
        throw BadInput("{}: two results would be written to it; give each a name of its own",
                       file == "-" ? "standard output" : file);
  }
}

void WriteResult(const std::string& file, std::string_view text) {
  if (file.empty()) return;
  if (file == "-") return WriteStandardOutput(text);
  if (!IsAtomicTarget(file)) return WriteToDevice(file, text);
  AtomicFile output(file);
  output.Write(text);
  output.Commit();
}

}  // namespace lockstep
