#include "batch/queue/batch_coordinator.h"

#include <algorithm>
#include <thread>

#include "api/records.h"
#include "core/error.h"
#include "core/heartbeat.h"
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

BatchCoordinator::BatchCoordinator(Parts parts, Groups groups)
    : parts_(std::move(parts)),
      others_(std::move(groups)),
      groups_(others_.leaders.size()),
      lines_(parts_.input, parts_.counted),
      progress_(parts_.progress),
      heartbeat_(others_.world == nullptr ? 1.0 : others_.world->deadline_seconds()),
      done_(parts_.sink->resumed()) {}

std::vector<WorkLine> BatchCoordinator::Take() {
  interrupted_ = interrupted_ || InterruptRequested();
  if (others_.messenger != nullptr) ReadMessages();
  ShowProgress();
  if (interrupted_) return {};
  if (others_.messenger != nullptr) HandOut();
  return LinesFor(0);
}

void BatchCoordinator::ShowProgress() {
  ProgressState now = progress();
  rate_.Add(now.seconds, static_cast<double>(now.tokens));
  progress_.Show([&] {
    now.tokens_per_second = rate_.per_second();
    return ProgressText(now);
  });
}

// An equal share of what is unfinished, as far as the group can take it.
std::int64_t BatchCoordinator::Room(const Group& group) const {
  const auto groups = static_cast<std::int64_t>(groups_.size());
  const std::int64_t unfinished = parts_.total - done_;
  const std::int64_t share = (unfinished + groups - 1) / groups;
  return std::min(parts_.capacity, std::max<std::int64_t>(share, 1)) - group.in_work;
}

std::vector<WorkLine> BatchCoordinator::LinesFor(std::size_t group) {
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

std::optional<WorkLine> BatchCoordinator::NextLine() {
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

void BatchCoordinator::SendHeartbeat() {
  for (std::size_t group = 1; group < groups_.size(); ++group)
    if (!groups_[group].has_left) Tell(group, {});
}

// A line that no group is bothered with.
void BatchCoordinator::Refuse(std::int64_t index, std::string error) {
  parts_.sink->Put(index, FormatError("", index, error));
  NoteError(index, std::move(error));
  ++done_;
}

void BatchCoordinator::NoteError(std::int64_t index, std::string error) {
  errors_.emplace(index, std::move(error));
  if (errors_.size() > 1) errors_.erase(std::prev(errors_.end()));
}

void BatchCoordinator::PutOf(std::size_t group, LineResult result) {
  const bool known = in_work_.erase(result.index) == 1;
  LOCKSTEP_CHECK(known, "nobody works at line {}", result.index);
  if (!result.error.empty()) NoteError(result.index, std::move(result.error));
  parts_.sink->Put(result.index, result.record);
  ++done_;
  --groups_[group].in_work;
  ++groups_[group].done;
  tokens_ += result.tokens;
}

void BatchCoordinator::ReadMessages() {
  while (auto message = others_.messenger->Receive()) {
    const auto leader = std::find(others_.leaders.begin(), others_.leaders.end(), message->from);
    LOCKSTEP_CHECK(leader != others_.leaders.end(), "a message from rank {}", message->from);
    const auto group = static_cast<std::size_t>(leader - others_.leaders.begin());
    WorkerReport report = UnpackReport(message->text);
    for (LineResult& result : report.results) PutOf(group, std::move(result));
    interrupted_ = interrupted_ || report.interrupted;
    groups_[group].has_left = report.last;
    groups_[group].timeout.Heard();
  }
  CheckForTheSilent();
}

void BatchCoordinator::HandOut() {
  const bool due = heartbeat_.IsDue();
  for (std::size_t group = 1; group < groups_.size(); ++group) {
    Assignment assignment{.end = false, .lines = LinesFor(group)};
    if (due || !assignment.lines.empty()) Tell(group, assignment);
  }
}

void BatchCoordinator::Tell(std::size_t group, const Assignment& assignment) {
  others_.messenger->Send(others_.leaders[group], Pack(assignment));
}

void BatchCoordinator::CheckForTheSilent() {
  for (std::size_t group = 1; group < groups_.size(); ++group) {
    const int leader = others_.leaders[group];
    const double deadline = others_.world->deadline_seconds();
    if (groups_[group].has_left || !groups_[group].timeout.LastsLongerThan(deadline)) continue;
    throw CollectiveError(
        ExitCode::kRankFailure,
        fmt::format("sharing the lines of the input: nothing has been heard of group {} for {:g} "
                    "s; its first rank is rank {} on {}{}",
                    group, deadline, leader, others_.world->host(leader),
                    WhichWaitsFor(*others_.messenger, *others_.world, leader)));
  }
}

void BatchCoordinator::Leave() {
  for (std::size_t group = 1; group < groups_.size(); ++group)
    Tell(group, {.end = true, .lines = {}});
  const auto waits = [&] {
    for (std::size_t group = 1; group < groups_.size(); ++group)
      if (!groups_[group].has_left) return true;
    return false;
  };
  while (waits()) {
    ReadMessages();
    Heartbeat();
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  // A heartbeat that came after a group's leave may lie there for ever.
  PeerTimeout rest;
  while (others_.messenger != nullptr && !others_.messenger->empty() &&
         !rest.LastsLongerThan(others_.world->deadline_seconds()))
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  progress_.Clear();
}

void BatchCoordinator::Commit() {
  if (parts_.counted != nullptr) CheckUnchanged(parts_.input, *parts_.counted);
  parts_.sink->Commit();
}

ProgressState BatchCoordinator::progress() const {
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start_;
  ProgressState state{.done = done_,
                      .total = parts_.total,
                      .resumed = parts_.sink->resumed(),
                      .tokens = tokens_,
                      .seconds = took.count(),
                      .in_work = std::ssize(in_work_),
                      .unit = parts_.unit,
                      .groups = {}};
  if (groups_.size() > 1)
    for (const Group& group : groups_) state.groups.push_back(group.done);
  return state;
}

}  // namespace lockstep
