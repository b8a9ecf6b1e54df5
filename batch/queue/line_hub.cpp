#include "batch/queue/line_hub.h"

#include <algorithm>
#include <thread>

#include "core/error.h"
#include "core/heartbeat.h"
#include "api/requests.h"
#include "runtime/world/interrupt.h"

namespace lockstep {
namespace {

// Lines beyond the first unfinished one that may be worked at: bounds what is held of the finished
// ones that cannot be written yet.
constexpr std::int64_t kWindowLines = 1 << 14;

// What is handed out at once, in bytes, but for one line: lines are small again once they are
// tokens.
constexpr std::size_t kHandoutBytes = std::size_t{4} << 20;

}  // namespace

LineHub::LineHub(Parts parts, Groups groups)
    : parts_(std::move(parts)),
      others_(std::move(groups)),
      groups_(others_.leaders.size()),
      lines_(parts_.input, parts_.counted),
      progress_(parts_.progress),
      sign_(others_.world == nullptr ? 1.0 : others_.world->deadline_seconds()),
      done_(parts_.sink->taken_up()) {}

std::vector<WorkLine> LineHub::Take() {
  interrupted_ = interrupted_ || InterruptRequested();
  if (others_.mailbox != nullptr) ReadLetters();
  progress_.Show(progress());
  if (interrupted_) return {};
  if (others_.mailbox != nullptr) HandOut();
  return LinesFor(0);
}

// An equal share of what is unfinished, as far as the group can take it.
std::int64_t LineHub::Room(const Group& group) const {
  const auto groups = static_cast<std::int64_t>(groups_.size());
  const std::int64_t unfinished = parts_.total - done_;
  const std::int64_t share = (unfinished + groups - 1) / groups;
  return std::min(parts_.capacity, std::max<std::int64_t>(share, 1)) - group.in_work;
}

std::vector<WorkLine> LineHub::LinesFor(std::size_t group) {
  std::vector<WorkLine> lines;
  std::size_t bytes = 0;
  for (std::int64_t room = Room(groups_[group]); room > 0 && bytes < kHandoutBytes; --room) {
    auto line = NextLine();
    if (!line) break;
    bytes += line->text.size();
    ++groups_[group].in_work;
    lines.push_back(std::move(*line));
  }
  return lines;
}

std::optional<WorkLine> LineHub::NextLine() {
  while (!read_all_ && (in_work_.empty() || index_ - *in_work_.begin() <= kWindowLines)) {
    Heartbeat();  // millions of lines may be done already
    auto line = lines_.Next();
    read_all_ = !line;
    if (!line) break;
    const std::int64_t index = index_++;
    if (parts_.sink->Has(index)) continue;
    if (!line->fits()) {
      Refuse(index, TooLong(*line));
      continue;
    }
    in_work_.insert(index);
    return WorkLine{index, std::move(line->text), std::move(line->where)};
  }
  return std::nullopt;
}

void LineHub::ShowLife() {
  parts_.keep_alive();
  for (std::size_t group = 1; group < groups_.size(); ++group)
    if (!groups_[group].has_left) Tell(group, {});
}

// A line that no group is bothered with.
void LineHub::Refuse(std::int64_t index, std::string error) {
  parts_.sink->Put(index, FormatError("", index, error));
  NoteError(index, std::move(error));
  ++done_;
}

void LineHub::NoteError(std::int64_t index, std::string error) {
  errors_.emplace(index, std::move(error));
  if (errors_.size() > 1) errors_.erase(std::prev(errors_.end()));
}

void LineHub::PutOf(std::size_t group, LineResult result) {
  const bool known = in_work_.erase(result.index) == 1;
  LOCKSTEP_CHECK(known, "nobody works at line {}", result.index);
  if (!result.error.empty()) NoteError(result.index, std::move(result.error));
  parts_.sink->Put(result.index, result.record);
  ++done_;
  --groups_[group].in_work;
  ++groups_[group].done;
  tokens_ += result.tokens;
}

void LineHub::ReadLetters() {
  while (auto letter = others_.mailbox->Receive()) {
    const auto leader = std::find(others_.leaders.begin(), others_.leaders.end(), letter->from);
    LOCKSTEP_CHECK(leader != others_.leaders.end(), "a letter from rank {}", letter->from);
    const auto group = static_cast<std::size_t>(leader - others_.leaders.begin());
    DeskReport report = UnpackReport(letter->text);
    for (LineResult& result : report.results) PutOf(group, std::move(result));
    interrupted_ = interrupted_ || report.interrupted;
    groups_[group].has_left = report.last;
    groups_[group].silence.Heard();
  }
  CheckForTheSilent();
}

void LineHub::HandOut() {
  const bool due = sign_.IsDue();
  for (std::size_t group = 1; group < groups_.size(); ++group) {
    Handout handout{.end = false, .lines = LinesFor(group)};
    if (due || !handout.lines.empty()) Tell(group, handout);
  }
}

void LineHub::Tell(std::size_t group, const Handout& handout) {
  others_.mailbox->Send(others_.leaders[group], Pack(handout));
}

void LineHub::CheckForTheSilent() {
  for (std::size_t group = 1; group < groups_.size(); ++group) {
    const int leader = others_.leaders[group];
    const double deadline = others_.world->deadline_seconds();
    if (groups_[group].has_left || !groups_[group].silence.LastsLongerThan(deadline)) continue;
    throw CollectiveError(
        ExitCode::kRankFailure,
        fmt::format("sharing the lines of the input: nothing has been heard of group {} for {:g} "
                    "s; its first rank is rank {} on {}",
                    group, deadline, leader, others_.world->host(leader)));
  }
}

void LineHub::Leave() {
  for (std::size_t group = 1; group < groups_.size(); ++group)
    Tell(group, {.end = true, .lines = {}});
  const auto waits = [&] {
    for (std::size_t group = 1; group < groups_.size(); ++group)
      if (!groups_[group].has_left) return true;
    return false;
  };
  while (waits()) {
    ReadLetters();
    Heartbeat();
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  // A sign of life that came after a group's leave may lie there for ever.
  Silence rest;
  while (others_.mailbox != nullptr && !others_.mailbox->empty() &&
         !rest.LastsLongerThan(others_.world->deadline_seconds()))
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  progress_.Clear();
}

void LineHub::Commit() {
  if (parts_.counted != nullptr) CheckUnchanged(parts_.input, *parts_.counted);
  parts_.sink->Commit();
}

ProgressState LineHub::progress() const {
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start_;
  ProgressState state{.done = done_,
                      .total = parts_.total,
                      .taken_up = parts_.sink->taken_up(),
                      .tokens = tokens_,
                      .seconds = took.count(),
                      .groups = {}};
  if (groups_.size() > 1)
    for (const Group& group : groups_) state.groups.push_back(group.done);
  return state;
}

}  // namespace lockstep
