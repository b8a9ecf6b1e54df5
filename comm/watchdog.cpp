#include "comm/watchdog.h"

#include <chrono>
#include <cstdlib>
#include <utility>

#include "core/log.h"

namespace lockstep {

Watchdog::Watchdog(double seconds, Bite bite)
    : thread_([this, seconds, bite = std::move(bite)] { Wait(seconds, bite); }) {}

Watchdog::~Watchdog() {
  {
    const std::lock_guard lock(mutex_);
    called_off_ = true;
  }
  changed_.notify_one();
  thread_.join();
}

void Watchdog::Wait(double seconds, const Bite& bite) {
  std::unique_lock lock(mutex_);
  const auto limit = std::chrono::duration<double>(seconds);
  if (changed_.wait_for(lock, limit, [this] { return called_off_; })) return;
  if (bite.message) LogError("{}", bite.message());
  // Not exit(): destructors would wait for the very call that hangs.
  std::_Exit(bite.exit_code);
}

}  // namespace lockstep
