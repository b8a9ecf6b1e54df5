#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <queue>
#include <span>
#include <unordered_map>
#include <vector>

namespace lockstep {

enum class PrefixCache : std::uint8_t { kOff, kOn };

// Who uses which page of the KV cache. Counts only: it touches no memory and knows no sequences.
//
// A page that is full may be published: from then on it is found by what it holds, a block of
// page_tokens tokens that follows on another block. Sequences with the same beginning share such
// pages. When nobody uses a published page any more it stays findable until a new page is needed
// and it is the one that has not been used for longest.
// Not thread-safe: the engine's thread.
class PagePool {
 public:
  // A block of tokens with everything that stands before it. Numbers are never used again, so two
  // equal numbers mean equal tokens: nothing rests on hashes being different.
  using BlockId = std::uint64_t;
  static constexpr BlockId kBeginning = 0;  // what the first block of a text follows on

  struct Prefix {
    std::vector<std::int32_t> pages;
    BlockId last = kBeginning;
  };

  PagePool(std::int64_t page_count, std::int64_t page_tokens, PrefixCache mode);

  std::int64_t page_count() const { return static_cast<std::int64_t>(pages_.size()); }
  // Pages that Take() can give: those that are free, and published ones that nobody uses.
  std::int64_t available() const {
    return static_cast<std::int64_t>(free_.size() + unused_.size());
  }

  // The longest beginning of `tokens` behind `root` that is in published pages. The caller becomes
  // one of their users.
  Prefix Reuse(std::span<const std::int32_t> tokens, BlockId root = kBeginning);

  // What the first block of a text follows on when equal tokens under another key are another text
  // (an adapter, a salt): its own number for each key, kBeginning for 0.
  BlockId Root(std::uint64_t key);

  // A page of the caller's own, the lowest free one first, so that a small load touches little of
  // a large cache. The caller has looked at available().
  std::int32_t Take();

  // The page holds `tokens` (page_tokens of them), which follow on `previous`. Returns the block's
  // number, also when another page holds the same already: then this one stays unpublished.
  BlockId Publish(std::int32_t page, BlockId previous, std::span<const std::int32_t> tokens);

  // One more sequence uses these pages.
  void Share(std::span<const std::int32_t> pages);
  // Whether its user may write to the page: it is the only one, and nobody can find the page.
  bool IsPrivate(std::int32_t page) const {
    const Page& one = pages_[static_cast<std::size_t>(page)];
    return one.users == 1 && one.key == nullptr;
  }

  // The caller uses these pages, which hold a text from its beginning, no longer.
  void Release(std::span<const std::int32_t> pages);

  // Nothing that was published is found any more; whoever uses a page goes on using it.
  void Forget();

  // Throws Error(kInternal) unless every page is in exactly one of the states it can be in.
  void CheckConsistency() const;

 private:
  struct Key {
    BlockId previous = kBeginning;
    std::vector<std::int32_t> tokens;
    bool operator==(const Key&) const = default;
  };
  struct KeyHash {
    std::size_t operator()(const Key& key) const;
  };
  struct Block {
    BlockId id = 0;
    std::int32_t page = 0;
  };
  struct Page {
    std::int64_t users = 0;
    const Key* key = nullptr;                // of the block it is published as; a map's keys stay
    std::list<std::int32_t>::iterator spot;  // in unused_, when published and without users
  };

  Page& at(std::int32_t page) { return pages_[static_cast<std::size_t>(page)]; }
  void AddUser(std::int32_t page);

  std::int64_t page_tokens_;
  PrefixCache mode_;
  BlockId next_id_ = kBeginning + 1;
  std::vector<Page> pages_;
  std::priority_queue<std::int32_t, std::vector<std::int32_t>, std::greater<>> free_;
  std::list<std::int32_t> unused_;  // published pages without users, the longest unused first
  std::unordered_map<Key, Block, KeyHash> blocks_;
  std::unordered_map<std::uint64_t, BlockId> roots_;
};

}  // namespace lockstep
