#include "comm/watchdog.h"

#include <chrono>
#include <cstdlib>
#include <utility>

#include "core/log.h"

namespace lockstep {

Watchdog::Watchdog(double seconds, OnExpiry on_expiry)
    : thread_([this, seconds, on_expiry = std::move(on_expiry)] { Wait(seconds, on_expiry); }) {}

Watchdog::~Watchdog() {
  {
    const std::lock_guard lock(mutex_);
    called_off_ = true;
  }
  changed_.notify_one();
  thread_.join();
}

void Watchdog::Wait(double seconds, const OnExpiry& on_expiry) {
  std::unique_lock lock(mutex_);
  const auto limit = std::chrono::duration<double>(seconds);
  if (changed_.wait_for(lock, limit, [this] { return called_off_; })) return;
  if (on_expiry.message) LogError("{}", on_expiry.message());
  // Not exit(): destructors would wait for the very call that hangs.
  std::quick_exit(on_expiry.exit_code);
}

}  // namespace lockstep
