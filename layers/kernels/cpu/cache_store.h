#pragma once

#include <cstdint>

#include "layers/kernels/cpu/cpu_cache.h"
#include "layers/kernels/cpu/kernels.h"

namespace lockstep::cpu {

// New keys and values of one head for neighbouring positions of one page. Row i of k and of v
// begins i * stride floats behind the first.
struct NewRows {
  std::int64_t slot;  // the first one's position within the page
  std::int64_t count;
  const float* k;
  const float* v;
  std::int64_t stride;
  std::int64_t d_head;
};

// Puts them into the page, as bf16 or int8 if that is what it holds.
void StoreRows(const CacheLayout& layout, const Kernels& kernels, const NewRows& rows,
               std::int64_t page, std::int64_t head);

}  // namespace lockstep::cpu
