#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace lockstep {

// Something that is divided, and what it is divided over, as messages call them.
struct Parts {
  std::string_view what;  // "shard plan"
  std::int64_t whole = 0;
  std::string_view whole_name;  // "heads"
  std::int64_t parts = 0;
  std::string_view part_name;  // "rank"
  std::string remedy;          // "16 ranks": at most so many
};

// Throws BadInput where a part would be empty.
void CheckParts(const Parts& parts);

}  // namespace lockstep
