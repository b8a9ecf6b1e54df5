// config.json comes from folders that others have made: it gives a model that can be planned, or
// BadInput.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "core/error.h"
#include "partition/model/config_json.h"
#include "partition/plan/shard_plan.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  lockstep::ModelSpec spec;
  try {
    spec = lockstep::ParseConfigJson(text, "fuzz");
  } catch (const lockstep::Error& error) {
    if (error.code() != lockstep::ExitCode::kBadInput) std::abort();
    return 0;
  }
  // What was accepted has a plan whose counts are numbers.
  spec.layer_count = std::min<std::int64_t>(spec.layer_count, 2);  // more takes longer, no more
  const auto ranks = static_cast<int>(std::min<std::int64_t>(spec.head_count, 3));
  const lockstep::ShardPlan plan(spec, ranks);
  for (int rank = 0; rank < ranks; ++rank) {
    const auto count = lockstep::CountParameters(plan.Slices(rank));
    if (count.total() <= 0 || count.non_embedding() <= 0) std::abort();
    if (lockstep::WeightBytes(count, lockstep::WeightFormat::kF32) <= 0) std::abort();
  }
  return 0;
}
