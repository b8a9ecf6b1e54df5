#include "comm/peers/endless_call_watch.h"

#include <pthread.h>
#include <time.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include "core/error.h"
#include "core/log.h"

namespace lockstep {
namespace {

// Odd while a call is under way.
std::atomic<std::uint64_t> g_calls = 0;
std::atomic<clockid_t> g_caller_clock = CLOCK_MONOTONIC;

clockid_t ClockOfThisThread() {
  thread_local const clockid_t clock = [] {
    clockid_t found = CLOCK_THREAD_CPUTIME_ID;
    ::pthread_getcpuclockid(::pthread_self(), &found);
    return found;
  }();
  return clock;
}

// What the thread of the call has computed; nothing where it is gone.
std::optional<double> ComputedSeconds() {
  timespec time{};
  if (::clock_gettime(g_caller_clock.load(std::memory_order_relaxed), &time) != 0) return {};
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

}  // namespace

WatchedCall::WatchedCall() {
  g_caller_clock.store(ClockOfThisThread(), std::memory_order_relaxed);
  g_calls.fetch_add(1, std::memory_order_release);
}

WatchedCall::~WatchedCall() { g_calls.fetch_add(1, std::memory_order_release); }

struct EndlessCallWatch::Thread {
  std::mutex mutex;
  std::condition_variable changed;
  bool called_off = false;
  std::thread thread;

  void Watch(double seconds, const std::function<std::string()>& message) {
    const auto pause = std::chrono::duration<double>(seconds / 4);
    std::uint64_t seen = 0;
    std::optional<double> before;
    std::unique_lock lock(mutex);
    while (!changed.wait_for(lock, pause, [this] { return called_off; })) {
      const std::uint64_t calls = g_calls.load(std::memory_order_acquire);
      const bool is_the_same = calls % 2 == 1 && calls == seen && before;
      seen = calls;
      const std::optional<double> now = calls % 2 == 1 ? ComputedSeconds() : std::nullopt;
      if (!is_the_same || !now) {
        before = now;
      } else if (*now - *before > seconds) {
        LogError("{}", message());
        std::quick_exit(static_cast<int>(ExitCode::kRankFailure));
      }
    }
  }
};

EndlessCallWatch::EndlessCallWatch(double seconds, std::function<std::string()> message)
    : thread_(std::make_unique<Thread>()) {
  thread_->thread = std::thread([thread = thread_.get(), seconds, message = std::move(message)] {
    thread->Watch(seconds, message);
  });
}

EndlessCallWatch::~EndlessCallWatch() {
  {
    const std::lock_guard lock(thread_->mutex);
    thread_->called_off = true;
  }
  thread_->changed.notify_one();
  thread_->thread.join();
}

}  // namespace lockstep
