#include "partition/plan/stages.h"

#include <fmt/format.h>

#include <algorithm>

#include "partition/plan/parts.h"

namespace lockstep {
namespace {

std::int64_t CeilOf(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

// Elements of a block's matrices: what a new token is multiplied with.
std::int64_t CostOfBlock(const ModelSpec& spec) {
  return spec.d_model * (4 * spec.attention_width() + 2 * spec.d_ff);
}

// Of the last stage. Of counts that are as good the largest: the first stage has the embedding to
// hold.
std::int64_t BlocksOfLast(const ModelSpec& spec, std::int64_t stages) {
  const std::int64_t block = CostOfBlock(spec);
  const std::int64_t head = spec.vocab_rows * spec.d_model;
  const auto slowest = [&](std::int64_t last) {
    return std::max(CeilOf(spec.layer_count - last, stages - 1) * block, last * block + head);
  };
  std::int64_t best = 1;
  for (std::int64_t last = 2; last <= spec.layer_count - (stages - 1); ++last)
    if (slowest(last) <= slowest(best)) best = last;
  return best;
}

}  // namespace

std::vector<Range> CutIntoStages(const ModelSpec& spec, int stages) {
  CheckParts({.what = "pipeline",
              .whole = spec.layer_count,
              .whole_name = "blocks",
              .parts = stages,
              .part_name = "stage",
              .remedy = fmt::format("--pp {}", spec.layer_count)});
  if (stages == 1) return {{0, spec.layer_count}};
  const std::int64_t last = BlocksOfLast(spec, stages);
  const std::int64_t others = spec.layer_count - last;
  std::vector<Range> blocks;
  // The earlier ones have the larger parts.
  for (std::int64_t stage = 0; stage + 1 < stages; ++stage)
    blocks.push_back(
        {CeilOf(stage * others, stages - 1), CeilOf((stage + 1) * others, stages - 1)});
  blocks.push_back({others, spec.layer_count});
  return blocks;
}

}  // namespace lockstep
