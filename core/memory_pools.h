#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace lockstep {

// Memory that this process can still have is limited in several ways at once: each is a pool, from
// which other processes may take as well.
struct MemoryPool {
  static constexpr std::uint64_t kOwn = 0;   // this process's alone
  static constexpr std::uint64_t kHost = 1;  // that of all processes of the host
  enum class Counts { kUsed, kMapped };      // kMapped: mapped files count as well

  std::uint64_t id = kOwn;  // else the same number in all processes that share it
  std::string name;         // completes "3.0 GB are free in ..."
  double free_bytes = 0.0;  // without swap; memory that only caches files counts as free
  Counts counts = Counts::kUsed;
};

// The host's memory, the limits of control groups, and those of this process (ulimit -v, -d).
// `root` is where the system's files are found.
std::vector<MemoryPool> MemoryPools(const std::filesystem::path& root = "/");

}  // namespace lockstep
