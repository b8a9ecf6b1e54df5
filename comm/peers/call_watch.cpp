#include "comm/peers/call_watch.h"

#include <pthread.h>

#include <algorithm>
#include <chrono>
#include <utility>

namespace lockstep {
namespace {

constexpr std::chrono::milliseconds kLookEvery(20);
constexpr std::chrono::milliseconds kLookEveryComputing(250);  // every look wakes a core that works
constexpr double kLongestLook = 0.5;  // a longer one means that this process was stopped

clockid_t ClockOfThisThread() {
  clockid_t clock = CLOCK_MONOTONIC;
  ::pthread_getcpuclockid(::pthread_self(), &clock);
  return clock;
}

}  // namespace

CallWatch::CallWatch(std::function<void()> abort, Counts what)
    : abort_(std::move(abort)), what_(what), thread_([this] { Look(); }) {}

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
  if (watch.what_ == Counts::kComputing) watch.clock_ = ClockOfThisThread();
  ++watch.calls_;
}

// Either the thread sees that the call has ended, or this sees that it is being aborted.
CallWatch::Call::~Call() {
  ++watch_.calls_;
  watch_.firing_.wait(true);
}

// Zero where the thread of the last call is gone.
std::chrono::nanoseconds CallWatch::Now() const {
  timespec now{};
  if (::clock_gettime(clock_, &now) != 0) return {};
  return std::chrono::seconds(now.tv_sec) + std::chrono::nanoseconds(now.tv_nsec);
}

void CallWatch::Look() {
  const auto look_every = what_ == Counts::kTime ? kLookEvery : kLookEveryComputing;
  std::uint64_t seen = 0;
  double waited = 0;
  auto last = Now();
  std::unique_lock lock(mutex_);
  while (!changed_.wait_for(lock, look_every, [this] { return ends_; })) {
    const std::uint64_t call = calls_;  // before its clock is read
    const auto now = Now();
    const double step = std::chrono::duration<double>(now - std::exchange(last, now)).count();
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
