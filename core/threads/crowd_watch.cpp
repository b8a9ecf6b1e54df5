#include "core/threads/crowd_watch.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <string_view>
#include <utility>

#include "core/error.h"
#include "core/threads/affinity.h"
#include "core/timing/phases.h"

namespace lockstep {
namespace {

constexpr std::int64_t kSecond = 1'000'000'000;
constexpr std::int64_t kLookEvery = kSecond / 8;
// A core is crowded where more than a fifth of the time is spent waiting for it.
constexpr std::int64_t kCrowdedPart = 5;
constexpr std::int64_t kFirstStay = 2 * kSecond;
constexpr std::int64_t kLongestStay = 64 * kSecond;

std::vector<int>& RoamedCores() {
  static std::vector<int> cores;
  return cores;
}

// Nanoseconds in which the calling thread could have run and had no core: the second number of its
// schedstat. 0 where the system does not tell.
std::int64_t WaitedForACore() {
  const int file = ::open("/proc/thread-self/schedstat", O_RDONLY | O_CLOEXEC);
  if (file < 0) return 0;
  char text[96];
  const auto length = ::read(file, text, sizeof(text));
  ::close(file);
  const std::string_view words(text, static_cast<std::size_t>(std::max<ssize_t>(length, 0)));
  const std::size_t space = words.find(' ');
  std::int64_t waited = 0;
  if (space != std::string_view::npos)
    std::from_chars(words.data() + space + 1, words.data() + words.size(), waited);
  return waited;
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

CrowdWatch::Advice CrowdWatch::Look(std::int64_t now, std::int64_t waited) {
  if (waited_ < 0 || now <= looked_) {
    looked_ = changed_ = now;
    waited_ = waited;
    return Advice::kNone;
  }
  if (now - looked_ < kLookEvery) return Advice::kNone;
  const std::int64_t elapsed = now - std::exchange(looked_, now);
  const std::int64_t taken = waited - std::exchange(waited_, waited);
  if (away_) {
    if (now - changed_ < stay_) return Advice::kNone;
    away_ = false;
    changed_ = now;
    return Advice::kReturn;
  }
  if (taken * kCrowdedPart < elapsed) return Advice::kNone;
  // Crowded soon after it came back: it has come too early.
  const bool again = stay_ > 0 && now - changed_ < kFirstStay;
  stay_ = again ? std::min(2 * stay_, kLongestStay) : kFirstStay;
  away_ = true;
  changed_ = now;
  return Advice::kLeave;
}

bool ThreadCrowdWatch::Look() {
  const std::int64_t now = SteadyNanoseconds();
  if (now - looked_ < kLookEvery) return crowded_;
  looked_ = now;
  const CrowdWatch::Advice advice = watch_.Look(now, WaitedForACore());
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
