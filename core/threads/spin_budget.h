#pragma once

#include <algorithm>
#include <cstdint>

namespace lockstep {

// Tells the processor that a thread polls.
inline void RelaxCore() {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

// How long a thread that waits keeps its core busy before it sleeps, learnt from its waits.
//
// Polling is the fastest as long as whoever is awaited runs. One whose core another program has
// taken does not come for milliseconds, and a poller's own core may be wanted as well: waits longer
// than is worth polling halve the time, shorter ones that needed most of it double it.
// Not thread-safe: the thread that waits.
class SpinBudget {
 public:
  // Nanoseconds. worth: about what sleeping and being woken may cost; also the first budget.
  explicit SpinBudget(std::int64_t worth) : worth_(worth), budget_(worth) {}

  std::int64_t nanoseconds() const { return budget_; }

  // A wait has ended that lasted so long, asleep or not.
  void Learn(std::int64_t waited) {
    if (waited > worth_) {
      budget_ = std::max(kLeast, budget_ / 2);
    } else if (2 * waited > budget_) {
      budget_ = std::min(worth_, 2 * budget_);
    }
  }

 private:
  static constexpr std::int64_t kLeast = 1'000;

  std::int64_t worth_;
  std::int64_t budget_;
};

}  // namespace lockstep
