#include "comm/nccl/call_watch.h"

#include <algorithm>
#include <chrono>
#include <utility>

namespace lockstep {
namespace {

constexpr std::chrono::milliseconds kLookEvery(20);
constexpr double kLongestLook = 0.5;  // a longer one means that this process was stopped

}  // namespace

CallWatch::CallWatch(std::function<void()> abort)
    : abort_(std::move(abort)), thread_([this] { Look(); }) {}

CallWatch::~CallWatch() {
  {
    const std::lock_guard lock(mutex_);
    ends_ = true;
  }
  changed_.notify_one();
  thread_.join();
}

CallWatch::Call::Call(CallWatch& watch, double seconds) : watch_(watch) {
  watch.seconds_ = seconds;
  ++watch.calls_;
}

// Either the thread sees that the call has ended, or this sees that it is being aborted.
CallWatch::Call::~Call() {
  ++watch_.calls_;
  watch_.firing_.wait(true);
}

void CallWatch::Look() {
  using Clock = std::chrono::steady_clock;
  std::uint64_t seen = 0;
  double waited = 0;
  auto last = Clock::now();
  std::unique_lock lock(mutex_);
  while (!changed_.wait_for(lock, kLookEvery, [this] { return ends_; })) {
    const auto now = Clock::now();
    const double step = std::chrono::duration<double>(now - std::exchange(last, now)).count();
    const std::uint64_t call = calls_;
    waited = call == seen && call % 2 == 1 ? waited + std::min(step, kLongestLook) : 0;
    seen = call;
    if (waited > seconds_ && call % 2 == 1 && !fired_) Fire(call);
  }
}

void CallWatch::Fire(std::uint64_t call) {
  firing_ = true;
  if (calls_ == call) {
    fired_ = true;
    abort_();
  }
  firing_ = false;
  firing_.notify_all();
}

}  // namespace lockstep
