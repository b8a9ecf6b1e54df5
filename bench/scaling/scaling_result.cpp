#include "bench/scaling/scaling_result.h"

#include <algorithm>
#include <set>
#include <utility>

#include "bench/bench_report.h"
#include "core/error.h"

namespace lockstep {
namespace {

void Append(std::vector<double>& all, const std::vector<double>& more) {
  all.insert(all.end(), more.begin(), more.end());
}

}  // namespace

void AddRounds(ScalingStage& all, const ScalingStage& more) {
  if (all.seconds.empty()) {
    all = more;
    return;
  }
  LOCKSTEP_CHECK(all.ranks.size() == more.ranks.size(), "{} ranks and {}", all.ranks.size(),
                 more.ranks.size());
  Append(all.seconds, more.seconds);
  for (std::size_t rank = 0; rank < all.ranks.size(); ++rank)
    for (const SplitPart& part : kSplitParts)
      Append(all.ranks[rank].*part.rounds, more.ranks[rank].*part.rounds);
}

void AddRounds(ScalingResult& all, ScalingResult more) {
  if (all.model.empty()) {
    all.model = more.model;
    all.weights = more.weights;
  }
  all.is_interrupted = all.is_interrupted || more.is_interrupted;
  for (ScalingPoint& point : more.points) {
    const auto found = std::ranges::find(all.points, point.key, &ScalingPoint::key);
    if (found == all.points.end()) {
      all.points.push_back(std::move(point));
      continue;
    }
    AddRounds(found->prefill, point.prefill);
    AddRounds(found->decode, point.decode);
  }
}

std::string ScalingWorld::Text() const {
  return fmt::format("{}, {}", RanksText(ranks, stages), dtype);
}

std::vector<ScalingKey> ScalingPointsOf(const ScalingOptions& options, const ScalingWorld& world) {
  std::set<std::int64_t> batches;
  for (const std::int64_t batch : options.batch_sizes) {
    if (options.is_strong()) batches.insert(batch);
    if (options.is_weak()) batches.insert(batch * world.ranks);
  }
  std::vector<ScalingKey> points;
  for (const std::int64_t prompt_tokens : options.prompt_tokens)
    for (const std::int64_t new_tokens : options.new_tokens)
      for (const std::int64_t sequences : batches)
        points.push_back({.dtype = world.dtype,
                          .prompt_tokens = prompt_tokens,
                          .new_tokens = new_tokens,
                          .stages = world.stages,
                          .sequences = sequences,
                          .ranks = world.ranks});
  return points;
}

}  // namespace lockstep
