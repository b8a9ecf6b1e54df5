#pragma once

#include <cstdint>
#include <optional>

#include "partition/model/model_spec.h"
#include "runtime/options/options.h"

namespace lockstep {

// Pages of engine.cache_tokens; none: as memory allows.
std::optional<std::int64_t> AskedPages(const EngineLimits& limits);

// A rank's room for the KV cache, when all else is in its memory.
struct CacheRoom {
  double free_bytes = 0.0;
  double fraction = 1.0;    // of that, which the cache may take
  double page_bytes = 1.0;  // of all layers
  std::int64_t least = 0;   // pages, whether there is room or not
  std::int64_t most = 0;
};
std::int64_t FittingPages(const CacheRoom& room);

// What a cache that was not asked for in tokens has at most. On a device all that fits: a text that
// comes again finds its beginning there. On a host, whose memory others want as well, whole
// contexts of the sequences that run together, 64 of them at most.
enum class CachePlace { kDevice, kHost };
std::int64_t MostPages(CachePlace place, const EngineLimits& limits, const ModelSpec& spec);

// engine.memory_fraction, or what it is for that place where nobody has said.
double MemoryFraction(CachePlace place, const EngineLimits& limits);

}  // namespace lockstep
