#include "launcher/commands/cache_size.h"

#include <algorithm>
#include <fstream>
#include <limits>
#include <string>

#include "layers/kv_cache.h"
#include "partition/shard_plan.h"

namespace lockstep {
namespace {

double NumberIn(const std::string& path, double otherwise) {
  std::ifstream file(path);
  double number = 0.0;
  return file >> number ? number : otherwise;
}

double MachineFreeBytes() {
  std::ifstream info("/proc/meminfo");
  std::string key;
  double kilobytes = 0.0;
  for (std::string line; info >> key >> kilobytes && std::getline(info, line);)
    if (key == "MemAvailable:") return 1024.0 * kilobytes;
  return std::numeric_limits<double>::infinity();
}

}  // namespace

double FreeMemoryBytes() {
  const std::string group = "/sys/fs/cgroup/memory.";
  const double most = NumberIn(group + "max", std::numeric_limits<double>::infinity());
  return std::min(MachineFreeBytes(), most - NumberIn(group + "current", 0.0));
}

std::int64_t CachePages(const EngineLimits& limits, const ModelSpec& spec, double free_bytes) {
  if (limits.cache_tokens) return KvCache::PagesFor(*limits.cache_tokens);
  const std::int64_t context = KvCache::PagesFor(spec.context_tokens);
  // As if all ranks were here and all numbers were fp32: too little is slow, too much is fatal.
  constexpr double kBytes = 4.0;
  const double weights =
      kBytes * static_cast<double>(CountParameters(ShardPlan(spec, 1).Slices(0)).total());
  const double page = 2.0 * kBytes * static_cast<double>(spec.layer_count * spec.d_model) *
                      static_cast<double>(KvCache::kPageTokens);
  const double pages = std::min(0.5 * (free_bytes - weights) / page, 1e9);
  const auto fitting = static_cast<std::int64_t>(std::max(pages, 0.0));
  // Few texts are as long as the context; those that need more of it than there is wait.
  constexpr std::int64_t kWholeContexts = 64;
  const std::int64_t sequences = std::min(limits.max_sequences, kWholeContexts);
  return std::max(context, std::min(sequences * context, fitting));
}

}  // namespace lockstep
