#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <unordered_set>
#include <vector>

namespace lockstep {

// Which group of ranks a request is given to: the one with the least to do, unless another, not
// much busier, has seen a longer beginning of the prompt, whose keys and values it may still have.
//
// A pure function of what it is told. Not thread-safe.
class Router {
 public:
  static constexpr std::size_t kBlockTokens = 16;
  // How many more tokens a group may have in flight and still be chosen for what it has seen.
  static constexpr std::int64_t kMoreTokens = 1024;

  // most_blocks: that are remembered of each group, at least.
  explicit Router(std::size_t groups, std::size_t most_blocks = 1 << 16)
      : seen_(groups), most_blocks_(most_blocks) {}

  // loads: the tokens in flight of each group; nothing: it takes no request now.
  std::optional<std::size_t> Choose(std::span<const std::optional<std::int64_t>> loads,
                                    std::span<const std::int32_t> prompt) const;
  // The group is given this prompt.
  void Note(std::size_t group, std::span<const std::int32_t> prompt);
  // The group has lost what it had.
  void Forget(std::size_t group) { seen_[group] = {}; }

 private:
  // Of whole blocks, each hash with all that is before it. When `fresh` is full it becomes the
  // older half of what is remembered.
  struct Seen {
    std::unordered_set<std::uint64_t> fresh, older;
  };

  std::size_t BlocksSeen(const Seen& seen, std::span<const std::uint64_t> hashes) const;

  std::vector<Seen> seen_;
  std::size_t most_blocks_;
};

}  // namespace lockstep
