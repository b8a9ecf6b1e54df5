#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "core/timing/phases.h"

namespace lockstep {

// A request from when it came to its end.
struct RequestLife {
  struct Part {
    std::string_view name;  // "queued", "prompt" or "decoding"
    std::int64_t begin = 0;
    std::int64_t end = 0;
  };

  std::int64_t request = 0;
  // As RequestTime::tokens of its arrival. 0: it has branched off another one, or came before the
  // trace.
  std::int64_t prompt_tokens = 0;
  std::int64_t new_tokens = 0;
  std::vector<Part> parts;  // one behind the other; at least one

  std::int64_t begin() const { return parts.front().begin; }
  std::int64_t end() const { return parts.back().end; }
};

// The requests whose moments these are, in the order in which they came. What was before `from` is
// cut off; what has not ended ends at `until`. A number that comes again is another request.
std::vector<RequestLife> LivesOf(std::span<const RequestTime> moments, std::int64_t from,
                                 std::int64_t until);

}  // namespace lockstep
