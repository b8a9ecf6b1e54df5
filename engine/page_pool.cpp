#include "engine/page_pool.h"

#include "core/error.h"

namespace lockstep {

PagePool::PagePool(std::int64_t page_count) : page_count_(page_count) {
  for (std::int64_t page = 0; page < page_count; ++page)
    free_.push(static_cast<std::int32_t>(page));
}

std::vector<std::int32_t> PagePool::Take(std::int64_t count) {
  LOCKSTEP_CHECK(count <= free_count(), "{} pages wanted, {} free", count, free_count());
  std::vector<std::int32_t> pages;
  for (std::int64_t i = 0; i < count; ++i) {
    pages.push_back(free_.top());
    free_.pop();
  }
  return pages;
}

void PagePool::Return(const std::vector<std::int32_t>& pages) {
  for (std::int32_t page : pages) free_.push(page);
  LOCKSTEP_CHECK(free_count() <= page_count_, "{} of {} pages are free", free_count(), page_count_);
}

}  // namespace lockstep
