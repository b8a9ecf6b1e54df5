#pragma once

#include <cstdint>

namespace lockstep {

// One page of the KV cache that becomes a copy of another, in every layer.
struct PageCopy {
  std::int32_t from = 0;
  std::int32_t to = 0;

  bool operator==(const PageCopy&) const = default;
};

}  // namespace lockstep
