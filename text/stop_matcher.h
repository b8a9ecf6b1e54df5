#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace lockstep {

// Finds the first of several stop strings in a text that arrives in pieces. Text that could yet
// turn out to be the beginning of a stop string is held back.
// Not thread-safe: one thread per text.
class StopMatcher {
 public:
  // What is shown of the stop string that was found: nothing, or all of it.
  enum class Show { kNothing, kAll };

  // Empty strings are ignored.
  explicit StopMatcher(std::vector<std::string> stops, Show show = Show::kNothing);

  // Returns the text that is safe to show. After a stop string was found (stopped() is true) that
  // is what stood before it, with what is shown of it, and nothing ever after.
  std::string Push(std::string_view text);
  // The end of the text: what was held back.
  std::string Flush();

  bool stopped() const { return found_.has_value(); }
  // Which one was found, by its place in the list; of several that begin there the first of the
  // list.
  std::optional<std::size_t> found() const { return found_; }

 private:
  std::vector<std::string> stops_;
  Show show_;
  std::string held_;
  std::optional<std::size_t> found_;
};

}  // namespace lockstep
