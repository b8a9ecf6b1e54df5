#include "core/files/own_program.h"

#include <system_error>

#include "core/error.h"

namespace lockstep {

std::filesystem::path OwnProgram() {
  std::error_code code;
  std::filesystem::path path = std::filesystem::read_symlink("/proc/self/exe", code);
  if (code)
    throw EnvironmentError(
        "/proc/self/exe: cannot be read: {}; other processes of Lockstep cannot "
        "be started without /proc",
        code.message());
  return path;
}

}  // namespace lockstep
