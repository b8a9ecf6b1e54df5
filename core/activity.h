#pragma once

#include <string>
#include <string_view>

namespace lockstep {

// What this process is doing, for the message of a rank that fails:
//   const Activity doing("loading weights");
// Activities nest; CurrentActivity() is the innermost one's text, or "starting".
class Activity {
 public:
  explicit Activity(std::string what);
  ~Activity();
  Activity(const Activity&) = delete;
  Activity& operator=(const Activity&) = delete;

 private:
  int exceptions_at_start_;
};

std::string CurrentActivity();

// For whoever catches an exception far up: the innermost activity that the exception ended.
// CurrentActivity() when there is none.
std::string FailedActivity();

// Calls the observer with the innermost activity's text now and at every change, on the thread
// that changes it; null ends that. The observer must not start activities itself.
using ActivityObserver = void (*)(std::string_view what);
void ObserveActivity(ActivityObserver observer);

}  // namespace lockstep
