#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>

namespace lockstep {

// Sleeping until a word of memory changes, at once: std::atomic's wait() gives the core to others
// by sched_yield() first, which on a core with another busy program costs that one's time slice.

enum class FutexScope : std::uint8_t {
  kProcess,  // the threads of this process
  kShared,   // of all processes that map the memory
};

// Sleeps while the word is `seen`: until FutexWakeAll(), for at most `at_most` (zero: without an
// end), or for no reason. Callers look again.
void FutexSleep(const std::uint32_t* word, std::uint32_t seen, FutexScope scope,
                std::chrono::nanoseconds at_most = {});
void FutexWakeAll(const std::uint32_t* word, FutexScope scope);

// A number of one process that threads wait for. Changing it costs a system call only while one of
// them sleeps. Alone on its cache line. Thread safety: every call from any thread.
class alignas(64) WaitableNumber {
 public:
  std::uint32_t value() const { return value_.load(std::memory_order_acquire); }
  // What was written before is visible to whoever sees the new value.
  void Set(std::uint32_t value);
  // Returns the number that it was.
  std::uint32_t Subtract(std::uint32_t amount);
  // False: it is not `expected`. Wakes nobody.
  bool Exchange(std::uint32_t expected, std::uint32_t value);
  // May return early.
  void SleepWhile(std::uint32_t seen) const;

 private:
  const std::uint32_t* word() const;
  void Wake() const;

  std::atomic<std::uint32_t> value_{0};
  mutable std::atomic<std::uint32_t> sleepers_{0};
};

}  // namespace lockstep
