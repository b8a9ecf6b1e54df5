#pragma once

#include <cstdint>
#include <queue>
#include <vector>

namespace lockstep {

// Which pages of the KV cache are free. Counts only, touches no memory. Gives the lowest page
// first, so that a small load touches little of a large cache.
class PagePool {
 public:
  explicit PagePool(std::int64_t page_count);

  std::int64_t free_count() const { return static_cast<std::int64_t>(free_.size()); }
  std::int64_t page_count() const { return page_count_; }

  // The caller has checked that as many are free.
  std::vector<std::int32_t> Take(std::int64_t count);
  void Return(const std::vector<std::int32_t>& pages);

 private:
  std::int64_t page_count_;
  std::priority_queue<std::int32_t, std::vector<std::int32_t>, std::greater<>> free_;
};

}  // namespace lockstep
