#include "core/files/output_target.h"

#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <system_error>

#include "core/error.h"
#include "core/files/file.h"

namespace lockstep {
namespace {

// Whether it exists and takes what comes, as pipes and devices do: renaming a new file over
// /dev/null would be a bad surprise.
bool IsDevice(const std::string& output) {
  if (IsRegularFile(output)) return false;
  std::error_code ignored;  // it would have been seen already
  const auto type = std::filesystem::status(output, ignored).type();
  if (type == std::filesystem::file_type::not_found) return false;
  if (type == std::filesystem::file_type::directory) CheckReplaceable(output);
  if (type == std::filesystem::file_type::fifo || type == std::filesystem::file_type::character)
    return true;
  throw EnvironmentError("{}: is a {}; expected a file, a pipe or a device such as /dev/null",
                         output, type == std::filesystem::file_type::socket ? "socket" : "disk");
}

bool MayBeShared(const std::string& name) {
  if (name.empty() || name == "-") return true;
  std::error_code ignored;
  const auto type = std::filesystem::status(name, ignored).type();
  return type == std::filesystem::file_type::fifo || type == std::filesystem::file_type::character;
}

// However it is written; also of what is not there yet.
std::filesystem::path PlaceOf(const std::string& name) {
  std::error_code failed;
  const auto place =
      std::filesystem::weakly_canonical(std::filesystem::absolute(name, failed), failed);
  return failed ? std::filesystem::path(name) : place;
}

}  // namespace

bool IsSameFile(const std::string& one, const std::string& other) {
  if (MayBeShared(one) || MayBeShared(other)) return false;
  std::error_code ignored;  // one of them is not there
  return PlaceOf(one) == PlaceOf(other) || std::filesystem::equivalent(one, other, ignored);
}

bool IsAtomicTarget(const std::string& output) { return output != "-" && !IsDevice(output); }

void CheckWritable(const std::string& output) {
  if (output == "-") return;
  // A pipe is not opened for a check: its reader would take that for the end.
  if (!IsDevice(output))
    AtomicFile unused(output);
  else if (::access(output.c_str(), W_OK) != 0)
    throw EnvironmentError("{}: cannot be written: {}", output,
                           std::generic_category().message(errno));
}

}  // namespace lockstep
