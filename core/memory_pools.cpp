#include "core/memory_pools.h"

#include <algorithm>
#include <fstream>
#include <optional>
#include <sstream>
#include <string_view>

#include "core/control_groups.h"

namespace lockstep {
namespace {

namespace fs = std::filesystem;

// Of lines "MemAvailable:   24117248 kB".
std::optional<double> Kilobytes(const fs::path& path, std::string_view key) {
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line);
    std::string name;
    double kilobytes = 0.0;
    if (words >> name >> kilobytes && name == key) return 1024.0 * kilobytes;
  }
  return {};
}

// Of lines "Max address space      4294967296      unlimited      bytes": the first number.
std::optional<double> LimitOf(const fs::path& path, std::string_view name) {
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    if (!line.starts_with(name)) continue;
    std::istringstream words(line.substr(name.size()));
    double bytes = 0.0;
    if (words >> bytes) return bytes;
  }
  return {};
}

struct ProcessLimit {
  const char* name;  // in /proc/self/limits
  const char* used;  // in /proc/self/status
  const char* shell;
  MemoryPool::Counts counts;
};

constexpr ProcessLimit kProcessLimits[] = {
    {"Max address space", "VmSize:", "ulimit -v", MemoryPool::Counts::kMapped},
    {"Max data size", "VmData:", "ulimit -d", MemoryPool::Counts::kUsed}};

}  // namespace

std::vector<MemoryPool> MemoryPools(const fs::path& root) {
  std::vector<MemoryPool> pools;
  if (const auto free = Kilobytes(root / "proc/meminfo", "MemAvailable:"))
    pools.push_back({MemoryPool::kHost, "the host's memory", *free});
  for (const GroupLimit& limit : GroupMemoryLeft(root))
    pools.push_back({limit.group, "the control group " + limit.folder, limit.amount});
  for (const ProcessLimit& limit : kProcessLimits) {
    const auto most = LimitOf(root / "proc/self/limits", limit.name);
    if (!most) continue;
    const double used = Kilobytes(root / "proc/self/status", limit.used).value_or(0.0);
    pools.push_back({MemoryPool::kOwn, std::string("the limit of ") + limit.shell,
                     std::max(0.0, *most - used), limit.counts});
  }
  return pools;
}

}  // namespace lockstep
