#include "core/threads/futex.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <climits>

namespace lockstep {
namespace {

static_assert(sizeof(std::atomic<std::uint32_t>) == sizeof(std::uint32_t),
              "the kernel looks at the number itself");

int FutexOperation(int operation, FutexScope scope) {
  return scope == FutexScope::kProcess ? operation | FUTEX_PRIVATE_FLAG : operation;
}

}  // namespace

void FutexSleep(const std::uint32_t* word, std::uint32_t seen, FutexScope scope,
                std::chrono::nanoseconds at_most) {
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(at_most);
  const timespec nap{seconds.count(), (at_most - seconds).count()};
  ::syscall(SYS_futex, word, FutexOperation(FUTEX_WAIT, scope), seen,
            at_most.count() > 0 ? &nap : nullptr, nullptr, 0);
}

void FutexWakeAll(const std::uint32_t* word, FutexScope scope) {
  ::syscall(SYS_futex, word, FutexOperation(FUTEX_WAKE, scope), INT_MAX, nullptr, nullptr, 0);
}

// A change and the look at the sleepers, a sleeper's count and its look at the number: these four
// are in one total order, so that one of the two sees the other.

void WaitableNumber::Set(std::uint32_t value) {
  value_.store(value, std::memory_order_seq_cst);
  Wake();
}

std::uint32_t WaitableNumber::Subtract(std::uint32_t amount) {
  const std::uint32_t before = value_.fetch_sub(amount, std::memory_order_seq_cst);
  Wake();
  return before;
}

bool WaitableNumber::Exchange(std::uint32_t expected, std::uint32_t value) {
  return value_.compare_exchange_strong(expected, value, std::memory_order_acq_rel,
                                        std::memory_order_acquire);
}

void WaitableNumber::SleepWhile(std::uint32_t seen) const {
  sleepers_.fetch_add(1, std::memory_order_seq_cst);
  if (value_.load(std::memory_order_seq_cst) == seen) {
    FutexSleep(word(), seen, FutexScope::kProcess);
  }
  sleepers_.fetch_sub(1, std::memory_order_seq_cst);
}

void WaitableNumber::Wake() const {
  if (sleepers_.load(std::memory_order_seq_cst) == 0) return;
  FutexWakeAll(word(), FutexScope::kProcess);
}

const std::uint32_t* WaitableNumber::word() const {
  return reinterpret_cast<const std::uint32_t*>(&value_);
}

}  // namespace lockstep
