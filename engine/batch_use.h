#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "engine/sampling/token_choice.h"

namespace lockstep {

inline constexpr std::int64_t kEndedRequest = -1;  // in place of a request that has ended

// What a row of logits is for.
struct RowUse {
  std::int64_t request = 0;
  std::int32_t following = -1;  // the token of the prompt that it says something of; -1: choose
  std::optional<TokenChoice> choice = {};
};

// A request's rows of a batch.
struct ChunkUse {
  std::int64_t request = 0;
  std::int64_t start = 0;  // of its tokens
  std::int64_t count = 0;
  bool reaches_end = false;
};

// What the engine remembers of a batch, from the step in which it begins to the one in which its
// logits are there.
struct BatchUse {
  std::int64_t step = 0;
  std::int64_t planned = 0;  // the scheduler's number of it
  bool has_hidden = false;
  std::vector<ChunkUse> chunks = {};
  std::vector<RowUse> uses = {};
};

}  // namespace lockstep
