#pragma once

#include <string>

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
};

std::string CurrentActivity();

}  // namespace lockstep
