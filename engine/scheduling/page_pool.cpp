#include "engine/scheduling/page_pool.h"

#include <utility>

#include "core/error.h"

namespace lockstep {

std::size_t PagePool::KeyHash::operator()(const Key& key) const {
  constexpr std::uint64_t kMultiplier = 0x9E3779B97F4A7C15u;
  std::uint64_t hash = key.previous * kMultiplier;
  for (const std::int32_t token : key.tokens) {
    hash = (hash ^ static_cast<std::uint32_t>(token)) * kMultiplier;
    hash ^= hash >> 29;
  }
  return hash;
}

PagePool::PagePool(std::int64_t page_count, std::int64_t page_tokens, PrefixCache mode)
    : page_tokens_(page_tokens), mode_(mode), pages_(static_cast<std::size_t>(page_count)) {
  for (std::int64_t page = 0; page < page_count; ++page)
    free_.push(static_cast<std::int32_t>(page));
}

void PagePool::AddUser(std::int32_t page) {
  Page& one = at(page);
  if (one.users++ == 0 && one.key != nullptr) unused_.erase(one.spot);
}

PagePool::BlockId PagePool::Root(std::uint64_t key) {
  if (key == 0) return kBeginning;
  const auto [root, added] = roots_.try_emplace(key, next_id_);
  if (added) ++next_id_;
  return root->second;
}

void PagePool::Share(std::span<const std::int32_t> pages) {
  for (const std::int32_t page : pages) {
    LOCKSTEP_CHECK(at(page).users > 0, "page {} is shared, but nobody uses it", page);
    AddUser(page);
  }
}

PagePool::Prefix PagePool::Reuse(std::span<const std::int32_t> tokens, BlockId root) {
  Prefix prefix;
  prefix.last = root;
  const auto size = static_cast<std::size_t>(page_tokens_);
  for (; tokens.size() >= size && !blocks_.empty(); tokens = tokens.subspan(size)) {
    const auto found = blocks_.find({prefix.last, {tokens.begin(), tokens.begin() + page_tokens_}});
    if (found == blocks_.end()) break;
    AddUser(found->second.page);
    prefix.pages.push_back(found->second.page);
    prefix.last = found->second.id;
  }
  return prefix;
}

std::int32_t PagePool::Take() {
  LOCKSTEP_CHECK(available() > 0, "all {} pages are in use", page_count());
  std::int32_t page = 0;
  if (!free_.empty()) {
    page = free_.top();
    free_.pop();
  } else {
    page = unused_.front();
    unused_.pop_front();
    const Key* key = std::exchange(at(page).key, nullptr);
    blocks_.erase(blocks_.find(*key));
  }
  at(page).users = 1;
  return page;
}

PagePool::BlockId PagePool::Publish(std::int32_t page, BlockId previous,
                                    std::span<const std::int32_t> tokens) {
  LOCKSTEP_CHECK(static_cast<std::int64_t>(tokens.size()) == page_tokens_ && at(page).users > 0,
                 "page {} of {} users, {} tokens", page, at(page).users, tokens.size());
  if (mode_ == PrefixCache::kOff) return kBeginning;
  const auto [entry, added] =
      blocks_.try_emplace({previous, {tokens.begin(), tokens.end()}}, Block{next_id_, page});
  if (added) {
    ++next_id_;
    at(page).key = &entry->first;
  }
  return entry->second.id;
}

void PagePool::Release(std::span<const std::int32_t> pages) {
  // The last one first: a block is of no use without those before it, so it must go earlier.
  for (auto page = pages.rbegin(); page != pages.rend(); ++page) {
    Page& one = at(*page);
    LOCKSTEP_CHECK(one.users > 0, "page {} is released, but nobody uses it", *page);
    if (--one.users > 0) continue;
    if (one.key == nullptr) {
      free_.push(*page);
    } else {
      one.spot = unused_.insert(unused_.end(), *page);
    }
  }
}

void PagePool::Forget() {
  for (const auto& [key, block] : blocks_) at(block.page).key = nullptr;
  blocks_.clear();
  for (const std::int32_t page : unused_) free_.push(page);
  unused_.clear();
}

void PagePool::CheckConsistency() const {
  std::size_t idle = 0;
  for (const Page& page : pages_) {
    LOCKSTEP_CHECK(page.users >= 0, "{} users", page.users);
    if (page.users == 0) ++idle;
  }
  LOCKSTEP_CHECK(idle == free_.size() + unused_.size(), "{} idle pages, {} free and {} kept", idle,
                 free_.size(), unused_.size());
  for (const std::int32_t page : unused_) {
    const Page& one = pages_[static_cast<std::size_t>(page)];
    LOCKSTEP_CHECK(one.users == 0 && one.key != nullptr, "page {} is kept without a block", page);
  }
  for (const auto& [key, block] : blocks_)
    LOCKSTEP_CHECK(pages_[static_cast<std::size_t>(block.page)].key == &key,
                   "page {} is not the one of its block", block.page);
}

}  // namespace lockstep
