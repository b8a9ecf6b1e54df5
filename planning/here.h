#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/memory_pools.h"
#include "planning/time/layout.h"
#include "runtime/options/options.h"

namespace lockstep {

// Whether a layout's ranks, all of them on the processors of one host, find the memory there.
struct FitHere {
  double need = 0.0;  // bytes of all ranks together
  double free = 0.0;  // of the pool that has the least
  std::string pool;   // completes "3.0 GiB are free in ..."

  bool fits() const { return need <= free; }
};

struct HereQuestion {
  const ModelSpec& spec;
  Layout layout;
  EngineLimits limits;
  std::int64_t cache_tokens = 0;  // of each copy of the model
};

// As the program itself checks it before it loads weights. pools: MemoryPools().
FitHere FitsHere(const HereQuestion& question, const std::vector<MemoryPool>& pools);

}  // namespace lockstep
