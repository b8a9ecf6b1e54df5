#pragma once

#include <cstdint>
#include <optional>

#include "launcher/config/options.h"
#include "partition/model_spec.h"

namespace lockstep {

// How many pages the KV cache of a model gets: those of engine.cache_tokens, else room for
// engine.max_sequences whole contexts (64 at most: few texts are that long), but no more than half
// of the memory that is left once the weights are there. At least one whole context.
//   free_bytes  memory that can be had on this host before anything is loaded
std::int64_t CachePages(const EngineLimits& limits, const ModelSpec& spec, double free_bytes);

// Memory that this process may still take: what the machine has, or what its group may have.
double FreeMemoryBytes();

}  // namespace lockstep
