#include "server/groups/router.h"

#include <algorithm>
#include <utility>

#include "core/hash.h"

namespace lockstep {
namespace {

std::vector<std::uint64_t> HashesOf(std::span<const std::int32_t> prompt) {
  std::vector<std::uint64_t> hashes;
  for (std::uint64_t hash = 0; prompt.size() >= Router::kBlockTokens;
       prompt = prompt.subspan(Router::kBlockTokens)) {
    hash = HashBytes(std::as_bytes(prompt.first(Router::kBlockTokens)), hash);
    hashes.push_back(hash);
  }
  return hashes;
}

}  // namespace

std::size_t Router::BlocksSeen(const Seen& seen, std::span<const std::uint64_t> hashes) const {
  const auto is_new = [&](std::uint64_t hash) {
    return !seen.fresh.contains(hash) && !seen.older.contains(hash);
  };
  return static_cast<std::size_t>(std::ranges::find_if(hashes, is_new) - hashes.begin());
}

std::optional<std::size_t> Router::Choose(std::span<const std::optional<std::int64_t>> loads,
                                          std::span<const std::int32_t> prompt) const {
  std::optional<std::int64_t> least;
  for (const auto& load : loads)
    if (load) least = std::min(least.value_or(*load), *load);
  if (!least) return std::nullopt;
  if (loads.size() == 1) return 0;
  const std::vector<std::uint64_t> hashes = HashesOf(prompt);
  std::optional<std::size_t> best;
  std::pair<std::size_t, std::int64_t> best_rank;  // blocks seen, and how little it has to do
  for (std::size_t group = 0; group < loads.size(); ++group) {
    if (!loads[group] || *loads[group] > *least + kMoreTokens) continue;
    const std::pair rank{BlocksSeen(seen_[group], hashes), -*loads[group]};
    if (best && rank <= best_rank) continue;
    best = group;
    best_rank = rank;
  }
  return best;
}

void Router::Note(std::size_t group, std::span<const std::int32_t> prompt) {
  if (seen_.size() == 1) return;  // there is nothing to choose
  Seen& seen = seen_[group];
  for (const std::uint64_t hash : HashesOf(prompt)) {
    if (seen.fresh.size() >= most_blocks_) seen.older = std::exchange(seen.fresh, {});
    seen.fresh.insert(hash);
  }
}

}  // namespace lockstep
