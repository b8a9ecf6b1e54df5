#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace lockstep {

// What the control groups of this process leave it (cgroups: of a container, a batch system,
// systemd). A limit of any group on the way from its own to the top holds, so all are given; groups
// that a container hides are known as far as the kernel tells. Versions 1 and 2, also side by side.

struct GroupLimit {
  std::uint64_t group = 0;  // the same number in every process of that group
  std::string folder;       // where its files are
  double amount = 0.0;
};

// Bytes: the limit less what is used, where caches of files do not count, as the kernel gives them
// up first. `root` is where the system's files are found.
std::vector<GroupLimit> GroupMemoryLeft(const std::filesystem::path& root = "/");

// Processors' worth of time: 1.5 is a quota of 150 ms in every 100 ms.
std::vector<GroupLimit> GroupCpuLimits(const std::filesystem::path& root = "/");

}  // namespace lockstep
