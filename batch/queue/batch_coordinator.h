#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "batch/files/input_lines.h"
#include "batch/files/record_sink.h"
#include "batch/progress.h"
#include "batch/queue/batch_messages.h"
#include "batch/queue/timers.h"
#include "comm/messenger.h"
#include "runtime/progress/moving_rate.h"
#include "runtime/progress/progress_line.h"

namespace lockstep {

// The input and the output of a batch job, on rank 0 of the world, and the queue of its own group.
// A group that has room gets the next lines, but never more than its share of those that are
// unfinished: so all groups end at about the same time, whoever is faster.
class BatchCoordinator : public WorkQueue {
 public:
  struct Parts {
    std::string input;
    std::int64_t total = 0;     // lines of the input
    std::int64_t capacity = 1;  // lines that a group works at, and has waiting
    std::unique_ptr<RecordSink> sink;
    ProgressOutput progress;
    // The input as it was counted, which it has to be to the end; the caller's. Null: any is right.
    const InputSummary* counted = nullptr;
    std::string_view unit = "lines";  // what the user calls them; a literal
  };
  // The other groups, if there are any: their first ranks, and how to reach them. Not owned.
  struct Groups {
    std::vector<int> leaders = {0};
    ControlPlane* world = nullptr;
    Messenger* messenger = nullptr;
  };
  BatchCoordinator(Parts parts, Groups groups);

  std::vector<WorkLine> Take() override;
  void Put(LineResult result) override { PutOf(0, std::move(result)); }
  bool ended() const override { return interrupted_ || all_done(); }

  // In long work of our own: to the other groups.
  void SendHeartbeat();

  bool all_done() const { return read_all_ && in_work_.empty(); }
  // Once ended: lets the other groups leave. Results that still come are kept.
  void Leave();
  // All lines are done: the output appears. Throws EnvironmentError when the input is another now.
  void Commit();

  ProgressState progress() const;
  std::int64_t errors() const { return parts_.sink->errors(); }
  // Of the first line that could not be used, as far as this run has met any.
  std::string first_error() const { return errors_.empty() ? "" : errors_.begin()->second; }

 private:
  struct Group {
    std::int64_t in_work = 0;
    std::int64_t done = 0;
    bool has_left = false;
    PeerTimeout timeout;
  };

  void ShowProgress();
  std::int64_t Room(const Group& group) const;
  std::vector<WorkLine> LinesFor(std::size_t group);
  std::optional<WorkLine> NextLine();
  void Refuse(std::int64_t index, std::string error);
  void NoteError(std::int64_t index, std::string error);
  void PutOf(std::size_t group, LineResult result);
  void ReadMessages();
  void HandOut();
  void Tell(std::size_t group, const Assignment& assignment);
  void CheckForTheSilent();

  Parts parts_;
  Groups others_;
  std::vector<Group> groups_;
  InputLines lines_;
  ProgressLine progress_;
  PeriodicTimer heartbeat_;
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  std::set<std::int64_t> in_work_;
  std::int64_t index_ = 0;  // of the next line
  std::int64_t done_ = 0;
  std::int64_t tokens_ = 0;
  MovingRate rate_;  // of tokens
  bool read_all_ = false;
  bool interrupted_ = false;
  std::map<std::int64_t, std::string> errors_;  // the first only
};

}  // namespace lockstep
