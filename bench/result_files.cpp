#include "bench/result_files.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <set>
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

// Where it lies, however its name is written.
std::string PlaceOf(const std::string& file) {
  if (file == "-") return file;
  std::error_code failed;  // what is wrong with it has been said already
  const auto place =
      std::filesystem::weakly_canonical(std::filesystem::absolute(file, failed), failed);
  return failed ? file : place.string();
}

}  // namespace

void CheckResultFiles(std::span<const std::string> files) {
  std::set<std::string> places;
  for (const std::string& file : files) {
    if (file.empty()) continue;
    CheckWritable(file);
    if (!places.insert(PlaceOf(file)).second && file != "/dev/null")
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
