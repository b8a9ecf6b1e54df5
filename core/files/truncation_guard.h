#pragma once

#include <cstddef>

namespace lockstep {

// A mapped file that another process truncates has pages without a file behind them; touching one
// raises SIGBUS, which ends a process without a word. While a guard lives, the pages of its mapping
// that are gone read as zeros instead, in whichever thread, and hit() tells of it.
//
// Signals that have nothing to do with a guarded mapping go to the handler that was there before.
class TruncationGuard {
 public:
  // [begin, begin + bytes) is a mapping of whole pages, the last of which may be used in part.
  TruncationGuard(const std::byte* begin, std::size_t bytes);
  ~TruncationGuard();
  TruncationGuard(const TruncationGuard&) = delete;
  TruncationGuard& operator=(const TruncationGuard&) = delete;

  bool hit() const;

 private:
  int slot_;  // -1: there are more guards than slots, and this mapping has none
};

}  // namespace lockstep
