#include "core/control_groups.h"

#include <sys/stat.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <limits>
#include <optional>
#include <sstream>
#include <string_view>

namespace lockstep {
namespace {

namespace fs = std::filesystem;

constexpr double kNoLimit = std::numeric_limits<double>::infinity();

enum class Version { kOne, kTwo };

// A mounted hierarchy of groups, as /proc/self/mountinfo has it.
struct Mount {
  Version version = Version::kTwo;
  fs::path top;     // the group that is seen at the folder: "/" unless a container hides the rest
  fs::path folder;  // where
  std::string options;  // of version 1: its controllers among others
};

// A group that limits this process.
struct Group {
  Version version;
  fs::path folder;
};

bool Lists(std::string_view names, std::string_view name) {
  while (!names.empty()) {
    const std::size_t end = std::min(names.find(','), names.size());
    if (names.substr(0, end) == name) return true;
    names.remove_prefix(std::min(end + 1, names.size()));
  }
  return false;
}

// Blanks and the like are written as \040 there.
std::string Unescaped(std::string_view text) {
  std::string plain;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto is_octal = [](char c) { return c >= '0' && c <= '7'; };
    const bool escape = text[i] == '\\' && i + 3 < text.size() &&
                        std::all_of(text.begin() + static_cast<std::ptrdiff_t>(i) + 1,
                                    text.begin() + static_cast<std::ptrdiff_t>(i) + 4, is_octal);
    if (!escape) {
      plain += text[i];
      continue;
    }
    plain +=
        static_cast<char>((text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 + text[i + 3] - '0');
    i += 3;
  }
  return plain;
}

// "31 23 0:28 / /sys/fs/cgroup rw,relatime shared:9 - cgroup2 cgroup2 rw,nsdelegate"
std::optional<Mount> MountOf(const std::string& line) {
  std::istringstream words(line);
  std::string skip, top, folder, type, options;
  words >> skip >> skip >> skip >> top >> folder;
  while (words >> skip && skip != "-") continue;
  words >> type >> skip >> options;
  if (!words || (type != "cgroup" && type != "cgroup2")) return {};
  return Mount{type == "cgroup" ? Version::kOne : Version::kTwo, Unescaped(top), Unescaped(folder),
               options};
}

bool Contains(const fs::path& top, const fs::path& group) {
  return top == "/" ||
         std::mismatch(top.begin(), top.end(), group.begin(), group.end()).first == top.end();
}

// The folder of the group that /proc/self/cgroup calls `group`. Where it is not seen, as when a
// container has the names of its host, the nearest one above that is.
fs::path FolderOf(const Mount& mount, const fs::path& group, const fs::path& root) {
  const fs::path top = root / mount.folder.relative_path();
  const bool inside = Contains(mount.top, group);
  const fs::path below = inside ? group.lexically_relative(mount.top) : group.relative_path();
  if (std::ranges::find(below, fs::path("..")) != below.end()) return top;
  std::error_code ignored;
  fs::path folder = (top / below).lexically_normal();
  while (folder != top && Contains(top, folder) && !fs::is_directory(folder, ignored))
    folder = folder.parent_path();
  return folder;
}

std::optional<Mount> FindMount(const fs::path& root, const std::string& controller, Version version,
                               const fs::path& group) {
  std::optional<Mount> found;
  std::ifstream file(root / "proc/self/mountinfo");
  for (std::string line; std::getline(file, line);) {
    std::optional<Mount> mount = MountOf(line);
    if (!mount || mount->version != version) continue;
    if (version == Version::kOne && !Lists(mount->options, controller)) continue;
    if (Contains(mount->top, group)) return mount;
    if (!found) found = std::move(mount);
  }
  return found;
}

void AddGroups(const fs::path& root, const Mount& mount, const fs::path& group,
               std::vector<Group>& groups) {
  const fs::path top = (root / mount.folder.relative_path()).lexically_normal();
  fs::path folder = FolderOf(mount, group, root).lexically_normal();
  if (!folder.has_filename()) folder = folder.parent_path();  // "a/b/" is "a/b"
  for (; folder != top && Contains(top, folder); folder = folder.parent_path())
    groups.push_back({mount.version, folder});
  groups.push_back({mount.version, top});
}

// Of lines "4:memory:/a/b" and "0::/a/b".
std::vector<Group> GroupsOf(const fs::path& root, const std::string& controller) {
  std::vector<Group> groups;
  std::ifstream file(root / "proc/self/cgroup");
  for (std::string line; std::getline(file, line);) {
    const std::size_t first = line.find(':'), second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    if (!controllers.empty() && !Lists(controllers, controller)) continue;
    const Version version = controllers.empty() ? Version::kTwo : Version::kOne;
    const fs::path group = line.substr(second + 1);
    if (const auto mount = FindMount(root, controller, version, group))
      AddGroups(root, *mount, group, groups);
  }
  return groups;
}

// A file of one number, or "max".
double NumberIn(const fs::path& path, double otherwise) {
  std::ifstream file(path);
  double number = 0.0;
  return file >> number ? number : otherwise;
}

// Of lines "inactive_file 8192".
double Field(const fs::path& path, std::string_view name, double otherwise) {
  std::ifstream file(path);
  std::string key;
  for (double value = 0.0; file >> key >> value;)
    if (key == name) return value;
  return otherwise;
}

double MemoryLeft(const Group& group) {
  const fs::path& folder = group.folder;
  const bool one = group.version == Version::kOne;
  const fs::path counts = folder / "memory.stat";
  // The first that slows down, or has groups above that are not seen.
  const double limit = one ? std::min(NumberIn(folder / "memory.limit_in_bytes", kNoLimit),
                                      Field(counts, "hierarchical_memory_limit", kNoLimit))
                           : std::min(NumberIn(folder / "memory.max", kNoLimit),
                                      NumberIn(folder / "memory.high", kNoLimit));
  constexpr double kNeverReached = 4.6e18;  // version 1 has a number of 63 bits for no limit
  if (limit > kNeverReached) return kNoLimit;
  const double used = NumberIn(folder / (one ? "memory.usage_in_bytes" : "memory.current"), 0.0);
  const std::string prefix = one ? "total_" : "";
  const double cached =
      Field(counts, prefix + "inactive_file", 0.0) + Field(counts, prefix + "active_file", 0.0);
  return std::max(0.0, limit - std::max(0.0, used - cached));
}

double Cpus(const Group& group) {
  if (group.version == Version::kOne) {
    const double quota = NumberIn(group.folder / "cpu.cfs_quota_us", -1.0);
    const double period = NumberIn(group.folder / "cpu.cfs_period_us", 1e5);
    return quota > 0.0 && period > 0.0 ? quota / period : kNoLimit;
  }
  std::ifstream file(group.folder / "cpu.max");
  double quota = 0.0, period = 0.0;
  return file >> quota >> period && quota > 0.0 && period > 0.0 ? quota / period : kNoLimit;
}

std::uint64_t NumberOf(const fs::path& folder) {
  struct stat info {};
  if (::stat(folder.c_str(), &info) != 0) return 0;
  return static_cast<std::uint64_t>(info.st_ino) * 0x9E3779B97F4A7C15u +
         static_cast<std::uint64_t>(info.st_dev);
}

template <typename AmountOf>
std::vector<GroupLimit> Limits(const fs::path& root, const std::string& controller,
                               const AmountOf& amount_of) {
  std::vector<GroupLimit> limits;
  for (const Group& group : GroupsOf(root, controller))
    if (const double amount = amount_of(group); std::isfinite(amount))
      limits.push_back({NumberOf(group.folder), group.folder.string(), amount});
  return limits;
}

}  // namespace

std::vector<GroupLimit> GroupMemoryLeft(const fs::path& root) {
  return Limits(root, "memory", MemoryLeft);
}

std::vector<GroupLimit> GroupCpuLimits(const fs::path& root) { return Limits(root, "cpu", Cpus); }

}  // namespace lockstep
