#include "batch/files/input_lines.h"

#include <algorithm>

#include "api/json_lines.h"
#include "core/error.h"
#include "core/heartbeat.h"
#include "runtime/standard_streams.h"

namespace lockstep {
namespace {

[[noreturn]] void ThrowChanged(const std::string& input, const InputSummary& counted,
                               const InputSummary& now) {
  const std::string is = now.bytes == counted.bytes && now.lines == counted.lines
                             ? "as many, but others"
                             : fmt::format("{} lines, {} bytes", now.lines, now.bytes);
  throw EnvironmentError(
      "{}: has changed while it was read: at the start it had {} lines, {} bytes, and now it has "
      "{}; what is finished is kept: put the input back as it was and run the same command again, "
      "or give --restart to begin again with what it is now",
      InputName(input), counted.lines, counted.bytes, is);
}

}  // namespace

InputSummary SummarizeInput(const std::string& input) {
  InputLines lines(input, nullptr, InputLines::Keep::kNothing);
  for (InputLines::Line line; lines.ReadLine(line);) {
  }
  return lines.read_;
}

void CheckUnchanged(const std::string& input, const InputSummary& counted) {
  const auto stamp = StampOf(input);
  if (!stamp || *stamp == counted.stamp) return;
  const InputSummary now = SummarizeInput(input);
  if (!now.SameContent(counted)) ThrowChanged(input, counted, now);
}

InputLines::InputLines(const std::string& input, const InputSummary* counted)
    : InputLines(input, counted, Keep::kText) {}

InputLines::InputLines(const std::string& input, const InputSummary* counted, Keep keep)
    : input_(input), file_(input), counted_(counted), keep_(keep) {
  read_.stamp = file_.stamp();
}

std::optional<InputLines::Line> InputLines::Next() {
  Line line;
  if (!ReadLine(line)) return std::nullopt;
  line.where = fmt::format("{}:{}", InputName(input_), number_);
  return line;
}

// The next line that is not blank, without its place.
bool InputLines::ReadLine(Line& line) {
  line = {};
  bool blank = true;
  while (!unread_.empty() || Fill()) {
    const auto end = unread_.find('\n');
    const std::string_view part = unread_.substr(0, end);
    unread_.remove_prefix(std::min(part.size() + 1, unread_.size()));
    line.bytes += static_cast<std::int64_t>(part.size());
    blank = blank && IsBlank(part);
    if (!line.fits())
      line.text = {};
    else if (keep_ == Keep::kText)
      line.text += part;
    if (end == std::string_view::npos) continue;  // the line goes on in the next block
    if (!blank) break;
    ++number_;
    line = {};
  }
  if (blank) return false;
  ++number_;
  ++read_.lines;
  return true;
}

bool InputLines::Fill() {
  Heartbeat();
  unread_ = file_.ReadBlock();
  if (!unread_.empty()) {
    hash_.Add(unread_);
    read_.bytes += static_cast<std::int64_t>(unread_.size());
    read_.hash = hash_.value();
    read_.block_hashes.push_back(read_.hash);
  }
  if (counted_ != nullptr) CheckBlock();
  return !unread_.empty();
}

void InputLines::CheckBlock() const {
  const std::size_t blocks = read_.block_hashes.size();
  const bool same = unread_.empty()
                        ? read_.bytes == counted_->bytes
                        : blocks <= counted_->block_hashes.size() &&
                              counted_->block_hashes[blocks - 1] == read_.block_hashes[blocks - 1];
  if (!same) ThrowChanged(input_, *counted_, SummarizeInput(input_));
}

std::string TooLong(const InputLines::Line& line) {
  return fmt::format("{}: the line has {} bytes; expected at most {}", line.where, line.bytes,
                     kMostLineBytes);
}

}  // namespace lockstep
