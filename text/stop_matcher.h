#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace lockstep {

// Finds the first of several stop strings in a text that arrives in pieces. Text that could yet
// turn out to be the beginning of a stop string is held back.
// Not thread-safe: one thread per text.
class StopMatcher {
 public:
  // Empty strings are ignored.
  explicit StopMatcher(std::vector<std::string> stops);

  // Returns the text that is safe to show. After a stop string was found (stopped() is true) that
  // is what stood before it, and nothing ever after.
  std::string Push(std::string_view text);
  // The end of the text: what was held back.
  std::string Flush();

  bool stopped() const { return stopped_; }

 private:
  std::vector<std::string> stops_;
  std::string held_;
  bool stopped_ = false;
};

}  // namespace lockstep
