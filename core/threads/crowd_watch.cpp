#include "core/threads/crowd_watch.h"

#include <sched.h>
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "core/error.h"
#include "core/threads/affinity.h"

namespace lockstep {
namespace {

constexpr std::int64_t kSecond = 1'000'000'000;
constexpr std::int64_t kLookEvery = kSecond / 8;
// Another busy program on the core takes it up to 250 times a second; without one it is rarely
// taken.
constexpr std::int64_t kCrowdedPerSecond = 40;
constexpr std::int64_t kFirstStay = 2 * kSecond;
constexpr std::int64_t kLongestStay = 64 * kSecond;

std::vector<int>& RoamedCores() {
  static std::vector<int> cores;
  return cores;
}

std::int64_t CrowdClock() {
  return std::chrono::steady_clock::now().time_since_epoch() / std::chrono::nanoseconds(1);
}

std::int64_t PreemptionsOfThisThread() {
  struct rusage usage {};
  return ::getrusage(RUSAGE_THREAD, &usage) == 0 ? usage.ru_nivcsw : 0;
}

class RoamingThread {
 public:
  bool Look() {
    if (home_.empty()) home_ = AllowedCores();
    if (const bool crowded = watch_.Look(); crowded != asked_) {
      asked_ = crowded;
      Go(crowded);
    }
    return roams_;
  }

 private:
  void Go(bool away) {
    try {
      BindThisThread(away ? RoamedCores() : home_);
      roams_ = away;
    } catch (const Error&) {  // a container may forbid it: it stays where it is
    }
  }

  ThreadCrowdWatch watch_;
  std::vector<int> home_;
  bool asked_ = false;  // to go
  bool roams_ = false;
};

}  // namespace

CrowdWatch::Advice CrowdWatch::Look(std::int64_t now, std::int64_t preemptions) {
  if (preemptions_ < 0 || now <= looked_) {
    looked_ = changed_ = now;
    preemptions_ = preemptions;
    return Advice::kNone;
  }
  if (now - looked_ < kLookEvery) return Advice::kNone;
  const std::int64_t elapsed = now - std::exchange(looked_, now);
  const std::int64_t taken = preemptions - std::exchange(preemptions_, preemptions);
  if (away_) {
    if (now - changed_ < stay_) return Advice::kNone;
    away_ = false;
    changed_ = now;
    return Advice::kReturn;
  }
  if (taken * kSecond < kCrowdedPerSecond * elapsed) return Advice::kNone;
  // Crowded soon after it came back: it has come too early.
  const bool again = stay_ > 0 && now - changed_ < kFirstStay;
  stay_ = again ? std::min(2 * stay_, kLongestStay) : kFirstStay;
  away_ = true;
  changed_ = now;
  return Advice::kLeave;
}

bool ThreadCrowdWatch::Look() {
  const std::int64_t now = CrowdClock();
  if (now - looked_ < kLookEvery) return crowded_;
  looked_ = now;
  const CrowdWatch::Advice advice = watch_.Look(now, PreemptionsOfThisThread());
  if (advice != CrowdWatch::Advice::kNone) crowded_ = advice == CrowdWatch::Advice::kLeave;
  return crowded_;
}

void AllowRoaming(std::vector<int> cores) { RoamedCores() = std::move(cores); }

bool RoamWhereCrowded() {
  if (RoamedCores().empty()) return false;
  thread_local RoamingThread thread;
  return thread.Look();
}

}  // namespace lockstep
