#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "runtime/options/commands/scaling_options.h"

namespace lockstep {

// What `lockstep bench scaling` has measured, before anything is made of it.

// What one rank spent the time of a stage on, in seconds; an element for each round. The parts add
// up to what the stage took on that rank.
struct RankSplit {
  std::vector<double> products;
  std::vector<double> attention;
  std::vector<double> all_reduce;
  std::vector<double> waiting;  // for other ranks
  std::vector<double> other;
};

// The parts, in the order in which they are shown and written.
struct SplitPart {
  const char* name;   // for people
  const char* field;  // in files
  std::vector<double> RankSplit::*rounds;
};
inline constexpr std::array<SplitPart, 5> kSplitParts{
    {{"products", "products", &RankSplit::products},
     {"attention", "attention", &RankSplit::attention},
     {"all-reduce", "all_reduce", &RankSplit::all_reduce},
     {"waiting", "waiting", &RankSplit::waiting},
     {"other", "other", &RankSplit::other}}};

// The prompts of a point, or its new tokens.
struct ScalingStage {
  std::int64_t tokens = 0;       // of one round, all sequences together
  std::int64_t steps = 0;        // the same
  std::vector<double> seconds;   // that they took, by rank 0's clock; one for each round
  std::vector<RankSplit> ranks;  // none where a device does the work: the host does not see it
};

// What tells a point from the others.
struct ScalingKey {
  std::string dtype;
  std::int64_t prompt_tokens = 0;
  std::int64_t new_tokens = 0;
  std::int64_t stages = 1;  // that the ranks are cut into
  std::int64_t sequences = 0;
  std::int64_t ranks = 0;

  auto operator<=>(const ScalingKey&) const = default;
};

struct ScalingPoint {
  ScalingKey key;
  std::int64_t threads = 1;        // of each rank
  bool is_oversubscribed = false;  // a rank has more threads than its share of the cores
  ScalingStage prefill;
  ScalingStage decode;
};

struct ScalingResult {
  nlohmann::ordered_json about = nlohmann::ordered_json::object();  // AboutResult()
  std::string model;
  std::string weights;  // "checkpoint" or "random"
  ScalingOptions options;
  std::vector<ScalingPoint> points;
  bool is_interrupted = false;
};

// The rounds of `more` behind those that are there; points that are new behind the others.
void AddRounds(ScalingStage& all, const ScalingStage& more);
void AddRounds(ScalingResult& all, ScalingResult more);

// Ranks that measure together.
struct ScalingWorld {
  std::int64_t ranks = 1;
  std::int64_t stages = 1;  // that they are cut into
  std::string dtype;

  // "2 ranks, bf16", "4 ranks in 2 stages, bf16"
  std::string Text() const;
};

// The points that a world has: those of the batches (strong), and those that have a batch for each
// rank (weak), once where they are the same.
std::vector<ScalingKey> ScalingPointsOf(const ScalingOptions& options, const ScalingWorld& world);

}  // namespace lockstep
