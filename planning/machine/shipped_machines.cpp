#include <algorithm>
#include <filesystem>
#include <limits>

#include "core/error.h"
#include "core/files/file.h"
#include "core/memory_pools.h"
#include "core/threads/affinity.h"
#include "layers/kernels/backend.h"
#include "planning/machine/machine_yaml.h"
#include "runtime/options/words/nearest.h"

namespace lockstep {
namespace {

struct Shipped {
  std::string_view name;
  std::string_view text;
};

// kShipped[], made of configs/machines/*.yaml by embed.cmake.
#include "planning/machine/shipped_machines.inc"

// The shipped host whose kernels are those that this processor would choose.
std::string_view NameOfKernels(std::string_view instruction_set) {
  if (instruction_set.starts_with("amx")) return "amx";
  if (instruction_set.starts_with("avx512")) return "avx512";
  return "avx2";
}

const Shipped* FindShipped(std::string_view name) {
  for (const Shipped& one : kShipped)
    if (one.name == name) return &one;
  return nullptr;
}

double LeastFree() {
  double least = std::numeric_limits<double>::infinity();
  for (const MemoryPool& pool : MemoryPools()) least = std::min(least, pool.free_bytes);
  return least;
}

}  // namespace

std::vector<std::string> ShippedMachines() {
  std::vector<std::string> names;
  for (const Shipped& one : kShipped) names.emplace_back(one.name);
  return names;
}

Machine HostMachine() {
  const std::string_view kernels = InstructionSet(BackendKind::kCpu);
  const Shipped* shipped = FindShipped(NameOfKernels(kernels));
  LOCKSTEP_CHECK(shipped != nullptr, "no description for {}", kernels);
  Machine machine = ParseMachine(shipped->text, shipped->name);
  machine.title = fmt::format("this host, as {}", kernels);
  machine.nodes = machine.sockets = 1;
  machine.cores = std::max<std::int64_t>(1, static_cast<std::int64_t>(AllowedCores().size()));
  machine.memory_bytes = LeastFree();
  return machine;
}

Machine FindMachine(const std::string& name) {
  if (name == kThisHost) return HostMachine();
  if (const Shipped* shipped = FindShipped(name))
    return ParseMachine(shipped->text, fmt::format("configs/machines/{}.yaml", name));
  std::error_code ignored;
  if (std::filesystem::is_regular_file(name, ignored)) return ParseMachine(ReadStream(name), name);
  std::vector<std::string> known = ShippedMachines();
  known.emplace_back(kThisHost);
  std::string all;
  for (const std::string& one : known) all += (all.empty() ? "" : ", ") + one;
  std::string nearest = CloseName(name, known);
  if (!nearest.empty()) nearest = fmt::format("the nearest is {}, ", nearest);
  throw BadInput("--machine {}: no file, and no machine of this name; {}all are {}", name, nearest,
                 all);
}

}  // namespace lockstep
