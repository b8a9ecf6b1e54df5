#include "text/stop_matcher.h"

#include <algorithm>
#include <utility>

#include "core/heartbeat.h"

namespace lockstep {
namespace {

// How many bytes at the end of text are a beginning of stop.
std::size_t OverlapAtEnd(std::string_view text, std::string_view stop) {
  for (std::size_t size = std::min(text.size(), stop.size() - 1); size > 0; --size)
    if (text.substr(text.size() - size) == stop.substr(0, size)) return size;
  return 0;
}

}  // namespace

StopMatcher::StopMatcher(std::vector<std::string> stops, Show show)
    : stops_(std::move(stops)), show_(show) {}

std::string StopMatcher::Push(std::string_view text) {
  if (stopped()) return "";
  held_ += text;
  std::size_t begin = std::string::npos;
  std::size_t hold = 0;
  for (std::size_t i = 0; i < stops_.size(); ++i) {
    if (stops_[i].empty()) continue;
    Heartbeat();
    if (const std::size_t at = held_.find(stops_[i]); at < begin) {
      begin = at;
      found_ = i;
    }
    hold = std::max(hold, OverlapAtEnd(held_, stops_[i]));
  }
  if (found_) {
    const std::size_t shown = show_ == Show::kAll ? stops_[*found_].size() : 0;
    return std::exchange(held_, "").substr(0, begin + shown);
  }
  std::string safe = held_.substr(0, held_.size() - hold);
  held_.erase(0, safe.size());
  return safe;
}

std::string StopMatcher::Flush() { return std::exchange(held_, ""); }

}  // namespace lockstep
