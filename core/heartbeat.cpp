#include "core/heartbeat.h"

#include <algorithm>
#include <future>
#include <utility>

namespace lockstep {
namespace {

thread_local HeartbeatScope* innermost = nullptr;

}  // namespace

HeartbeatScope::HeartbeatScope(std::chrono::duration<double> period, std::function<void()> beat)
    : period_(period),
      beat_(std::move(beat)),
      next_(std::chrono::steady_clock::now() +
            std::chrono::duration_cast<std::chrono::steady_clock::duration>(period)),
      outer_(innermost) {
  innermost = this;
}

// Scopes that are members need not end in the order in which they began.
HeartbeatScope::~HeartbeatScope() {
  HeartbeatScope** scope = &innermost;
  while (*scope != nullptr && *scope != this) scope = &(*scope)->outer_;
  if (*scope == this) *scope = outer_;
}

void HeartbeatScope::Beat() {
  const auto now = std::chrono::steady_clock::now();
  if (beating_ || now < next_) return;
  struct Flag {
    bool& beating;
    explicit Flag(bool& flag) : beating(flag) { beating = true; }
    ~Flag() { beating = false; }
  } const flag(beating_);
  beat_();
  next_ = std::chrono::steady_clock::now() +
          std::chrono::duration_cast<std::chrono::steady_clock::duration>(period_);
}

void Heartbeat() {
  for (HeartbeatScope* scope = innermost; scope != nullptr; scope = scope->outer_) scope->Beat();
}

void BeatDuring(const std::function<void()>& call) {
  if (innermost == nullptr) return call();
  auto done = std::async(std::launch::async, call);
  while (done.wait_for(std::chrono::milliseconds(20)) != std::future_status::ready) Heartbeat();
  done.get();
}

std::chrono::duration<double> HeartbeatPeriod(double deadline_seconds) {
  return std::chrono::duration<double>(std::min(1.0, deadline_seconds / 4));
}

}  // namespace lockstep
