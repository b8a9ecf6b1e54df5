#include "api/event_stream.h"

#include <algorithm>

namespace lockstep {

void EventStream::Push(std::string_view bytes) {
  buffer_.erase(0, begin_);
  begin_ = 0;
  buffer_ += bytes;
}

// A CR at the end may be one half of a line's end.
bool EventStream::NextLine(std::string_view& line) {
  const auto end = buffer_.find_first_of("\r\n", begin_);
  if (end == std::string::npos) return false;
  const bool is_cr = buffer_[end] == '\r';
  if (is_cr && end + 1 == buffer_.size()) return false;
  line = std::string_view(buffer_).substr(begin_, end - begin_);
  begin_ = end + (is_cr && buffer_[end + 1] == '\n' ? 2 : 1);
  return true;
}

bool EventStream::Next(std::string_view& data) {
  constexpr std::string_view kData = "data";
  if (is_given_) data_.clear();
  is_given_ = false;
  for (std::string_view line; NextLine(line);) {
    if (line.empty()) {
      if (!has_data_) continue;
      has_data_ = false;
      is_given_ = true;
      data = data_;
      return true;
    }
    const auto colon = std::min(line.find(':'), line.size());
    if (line.substr(0, colon) != kData) continue;
    line.remove_prefix(std::min(colon + 1, line.size()));
    if (line.starts_with(' ')) line.remove_prefix(1);
    if (has_data_) data_ += '\n';
    data_ += line;
    has_data_ = true;
  }
  return false;
}

}  // namespace lockstep
