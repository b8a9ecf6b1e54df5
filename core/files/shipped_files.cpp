#include "core/files/shipped_files.h"

#include <system_error>

#include "core/files/file.h"

namespace lockstep {

std::optional<std::filesystem::path> FindShippedWith(const std::filesystem::path& program,
                                                     const std::filesystem::path& name) {
  for (const auto& root : {program.parent_path() / "share/lockstep", program / "share/lockstep"}) {
    std::error_code ignored;
    if (std::filesystem::exists(root / name, ignored)) return root / name;
  }
  return std::nullopt;
}

std::optional<std::filesystem::path> FindShipped(const std::filesystem::path& name) {
  std::error_code ignored;
  const auto program = std::filesystem::read_symlink("/proc/self/exe", ignored);
  if (program.empty()) return std::nullopt;
  return FindShippedWith(program.parent_path(), name);
}

std::vector<std::string> ShippedNames(const std::filesystem::path& name) {
  const auto folder = FindShipped(name);
  return folder ? NamesIn(*folder) : std::vector<std::string>{};
}

}  // namespace lockstep
