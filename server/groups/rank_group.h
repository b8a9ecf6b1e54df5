#pragma once

#include <poll.h>

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/error.h"
#include "runtime/options/dtype_choice.h"
#include "server/groups/backoff.h"
#include "server/groups/group_process.h"
#include "server/groups/wire/frame_socket.h"
#include "server/groups/wire/local_socket.h"
#include "server/groups/wire/messages.h"

namespace lockstep {

// How a group of ranks is run.
struct GroupPlan {
  std::string name = "the ranks";         // in messages
  std::vector<std::string> command = {};  // the program's path, and the server's own arguments
  int ranks = 1;
  int least_ranks = 1;               // it may go on with so many, where more do not start
  int group = 0;                     // its number
  int groups = 1;                    // of the server, this one among them
  std::vector<int> cores = {};       // as GroupProcess::Start
  std::string devices = {};          // the same
  DtypeChoice dtype = {};            // as GroupPlace::dtype
  std::string checkpoint = {};       // as GroupPlace::checkpoint
  double silence_seconds = 60;       // after which rank 0, once it is ready, counts as hanging
  std::chrono::seconds end_time{0};  // that ranks may take to end beyond that of others
};

// A group of ranks that is started again whenever it ends: its processes, the socket to its rank 0,
// and what is known of both. Nothing in it waits; Step() does what can be done now.
//
// Not thread-safe; GroupProcess says for which thread.
class RankGroup {
 public:
  using Clock = std::chrono::steady_clock;

  // Why ranks have ended: perhaps because of what they computed, or surely not.
  enum class Fault { kPerhapsTheirs, kFromOutside };

  // Called from Step(). They may call Send().
  struct Events {
    std::function<void()> on_ready;
    std::function<void(FromGroup message)> on_message;  // but for ReadyMessage
    // It has ended after it was ready, and will be started again.
    std::function<void(Fault fault)> on_lost;
  };

  // What the last pause was made of.
  struct Pause {
    Clock::duration silent{};   // from the last sign of life until it was noticed
    Clock::duration ended{};    // until nothing of the processes was left, and the back-off
    Clock::duration started{};  // until it was ready again
  };

  RankGroup(GroupPlan plan, EndedChildren& children, Events events);

  void Step();
  // What to wait for; at most two.
  void AddPolled(std::vector<pollfd>& polled) const;
  // The longest wait until the next Step().
  std::chrono::milliseconds patience() const;

  // To a group that is ready; lost with it.
  void Send(const ToGroup& message);
  // The next start is with this checkpoint.
  void set_checkpoint(const std::string& checkpoint) { plan_.checkpoint = checkpoint; }
  // It has answered something: what comes next is a new failure.
  void NoteAnswer() { backoff_.Reset(); }

  // Ends it, in good order where it can answer, and does not start it again.
  void Leave();
  void Kill();

  bool ready() const { return state_ == State::kReady; }
  bool gone() const { return state_ == State::kGone; }
  // Why it does not answer.
  std::string reason() const;
  int restarts() const { return restarts_; }
  const Pause& pause() const { return pause_; }
  const std::string& name() const { return plan_.name; }
  // Once it is gone without having been ready or asked to leave: its exit code. It, or Step(), has
  // said why.
  std::optional<ExitCode> first_failure() const { return first_failure_; }

 private:
  enum class State {
    kDown,      // until start_at_
    kStarting,  // until rank 0 says that it is ready
    kReady,
    kLeaving,  // rank 0 has been told
    kEnding,   // until nothing is left of it
    kGone
  };
  enum class Manner { kByItself, kByForce };

  void Start();
  void Move();
  void Take(FromGroup message);
  void WatchStart();
  void WatchSilence();
  void Lose(std::string cause, Manner manner);
  void WatchEnd();
  void FinishEnd();
  void FailFirst();
  void PlanRestart(std::string cause);
  std::string CauseOfEnd() const;
  Fault FaultOfEnd() const;
  void LookForStopped();

  GroupPlan plan_;
  EndedChildren& children_;
  Events events_;
  State state_ = State::kDown;
  std::unique_ptr<GroupProcess> process_;
  std::unique_ptr<LocalListener> listener_;
  std::unique_ptr<FrameSocket> link_;
  std::optional<int> status_;  // of the process that has ended

  Backoff backoff_;
  std::string cause_;  // of the last end
  bool leaves_ = false;
  bool forced_ = false;     // this time we have killed it
  bool was_ready_ = false;  // ever
  bool came_up_ = false;    // this time
  int failed_starts_ = 0;   // in a row
  int restarts_ = 0;
  std::optional<ExitCode> first_failure_;
  bool was_stopped_ = false;          // a process of this time, by somebody
  std::optional<long> memory_kills_;  // when this time began

  Clock::time_point looked_at_{};
  Clock::time_point started_at_{};
  Clock::time_point start_at_{};
  Clock::time_point heard_at_{};
  Clock::time_point lost_at_{};
  Clock::time_point force_at_{};  // what is left is killed
  Clock::duration slowest_start_{};
  Pause pause_;
};

}  // namespace lockstep
