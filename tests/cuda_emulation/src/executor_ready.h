#pragma once

#include "executor.h"
#include "runtime_state.h"

namespace lockstep::cuda_emulation {

// Makes the chosen ones of count threads ready, so that they are picked in the order of the
// settings.
template <class Predicate>
void Executor::MakeReady(unsigned first, unsigned count, const Predicate& chosen) {
  const bool reverse = settings().thread_order == ThreadOrder::kReverse;
  for (unsigned i = 0; i < count; ++i) {
    const unsigned index = reverse ? first + i : first + count - 1 - i;  // the last is picked first
    if (chosen(threads_[index])) ready_.push_back(index);
  }
}

}  // namespace lockstep::cuda_emulation
