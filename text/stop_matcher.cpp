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

StopMatcher::StopMatcher(std::vector<std::string> stops) : stops_(std::move(stops)) {
  std::erase_if(stops_, [](const std::string& stop) { return stop.empty(); });
}

std::string StopMatcher::Push(std::string_view text) {
  if (stopped_) return "";
  held_ += text;
  std::size_t end = std::string::npos;
  std::size_t hold = 0;
  for (const std::string& stop : stops_) {
    Heartbeat();
    end = std::min(end, held_.find(stop));
    hold = std::max(hold, OverlapAtEnd(held_, stop));
  }
  if (end != std::string::npos) {
    stopped_ = true;
    return std::exchange(held_, "").substr(0, end);
  }
  std::string safe = held_.substr(0, held_.size() - hold);
  held_.erase(0, safe.size());
  return safe;
}

std::string StopMatcher::Flush() { return std::exchange(held_, ""); }

}  // namespace lockstep
