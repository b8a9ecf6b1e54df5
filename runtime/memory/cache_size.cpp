#include "runtime/memory/cache_size.h"

#include <algorithm>
#include <limits>

#include "layers/kv_cache.h"

namespace lockstep {

std::optional<std::int64_t> AskedPages(const EngineLimits& limits) {
  if (!limits.cache_tokens) return {};
  return KvCache::PagesFor(*limits.cache_tokens);
}

std::int64_t FittingPages(const CacheRoom& room) {
  const double pages = std::max(0.0, room.fraction * room.free_bytes / room.page_bytes);
  // Compared as it is: what is too large for an integer is not made one.
  const std::int64_t fitting =
      pages < static_cast<double>(room.most) ? static_cast<std::int64_t>(pages) : room.most;
  return std::max(room.least, fitting);
}

std::int64_t MostPages(CachePlace place, const EngineLimits& limits, const ModelSpec& spec) {
  // Page tables are of 32 bits.
  constexpr std::int64_t kNumbers = std::numeric_limits<std::int32_t>::max();
  if (place == CachePlace::kDevice) return kNumbers;
  // Few texts are as long as the context; those that need more of it than there is wait.
  constexpr std::int64_t kWholeContexts = 64;
  return std::min(kNumbers, std::min(limits.max_sequences, kWholeContexts) *
                                KvCache::PagesFor(spec.context_tokens));
}

double MemoryFraction(CachePlace place, const EngineLimits& limits) {
  constexpr double kOfDevice = 0.9, kOfHost = 0.5;
  return limits.memory_fraction.value_or(place == CachePlace::kDevice ? kOfDevice : kOfHost);
}

}  // namespace lockstep
