#include "launcher/commands/line_hub.h"

#include <algorithm>
#include <thread>

#include "core/error.h"
#include "launcher/world/interrupt.h"

namespace lockstep {
namespace {

// Lines beyond the first unfinished one that may be worked at: bounds what is held of the finished
// ones that cannot be written yet.
constexpr std::int64_t kWindowLines = 1 << 14;

}  // namespace

LineHub::LineHub(Parts parts, Groups groups)
    : parts_(std::move(parts)),
      others_(std::move(groups)),
      groups_(others_.leaders.size()),
      lines_(parts_.input),
      progress_(parts_.progress),
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
  for (std::int64_t room = Room(groups_[group]); room > 0; --room) {
    auto line = NextLine();
    if (!line) break;
    ++groups_[group].in_work;
    lines.push_back(std::move(*line));
  }
  return lines;
}

std::optional<WorkLine> LineHub::NextLine() {
  while (!read_all_ && (in_work_.empty() || index_ - *in_work_.begin() <= kWindowLines)) {
    // Millions of lines may be done already; the other ranks wait meanwhile.
    constexpr std::int64_t kLines = 1024;
    if (index_ % kLines == 0) ShowLife();
    auto line = lines_.Next();
    read_all_ = !line;
    if (!line) break;
    const std::int64_t index = index_++;
    if (parts_.sink->Has(index)) continue;
    in_work_.insert(index);
    return WorkLine{index, std::move(line->text), std::move(line->where)};
  }
  return std::nullopt;
}

void LineHub::ShowLife() {
  if (!sign_.IsDue()) return;
  parts_.keep_alive();
  for (std::size_t group = 1; group < groups_.size(); ++group) Tell(group, {});
}

void LineHub::PutOf(std::size_t group, LineResult result) {
  const bool known = in_work_.erase(result.index) == 1;
  LOCKSTEP_CHECK(known, "nobody works at line {}", result.index);
  if (!result.error.empty()) {
    errors_.emplace(result.index, std::move(result.error));
    if (errors_.size() > 1) errors_.erase(std::prev(errors_.end()));
  }
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
    if (groups_[group].has_left || groups_[group].silence.Looked() <= deadline) continue;
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
    return others_.mailbox != nullptr && !others_.mailbox->empty();
  };
  while (waits()) {
    ReadLetters();
    if (sign_.IsDue()) parts_.keep_alive();
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  progress_.Clear();
}

void LineHub::Commit() { parts_.sink->Commit(); }

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
