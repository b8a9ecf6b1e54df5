#pragma once

#include <signal.h>
#include <sys/types.h>

#include <chrono>
#include <memory>
#include <string>
#include <string_view>

#include "runtime/spawn/mpirun_words.h"
#include "runtime/spawn/output_relay.h"
#include "runtime/world/last_words.h"
#include "runtime/world/rank_board.h"

namespace lockstep {

// How the world under mpirun ended.
struct ChildEnd {
  int wait_status;                  // mpirun's, as waitpid() gives it
  bool interrupted = false;         // by Ctrl-C and its relatives
  int output_error = 0;             // errno: standard output could not be written
  double seconds_without_rank = 0;  // no rank had started after so long, so we ended it; 0: not so
  std::string explanation = {};     // mpirun's own: see MpirunWords
  std::string remarks = {};         // the same
  bool ranks_ended = false;         // the same
  int ended_rank = -1;              // the same
  std::string ended_host = {};      // the same
  bool stuck = false;               // no rank was left to wait for, but mpirun had not ended
};

// The parent's side of SpawnWorld() while the ranks run: passes interrupts on, relays rank 0's
// output and everybody's standard error, and returns when mpirun has ended.
//
// The relay is what lets `lockstep … | head` end quietly: mpirun itself crashes on a closed pipe.
class ChildWatch {
 public:
  // Takes SIGINT, SIGTERM, SIGHUP and SIGCHLD over from here on, until destroyed, so that none
  // is lost while the child starts.
  ChildWatch();
  ~ChildWatch();
  ChildWatch(const ChildWatch&) = delete;
  ChildWatch& operator=(const ChildWatch&) = delete;

  // For the child to restore.
  const sigset_t& signals_before() const { return before_; }

  struct Child {
    pid_t mpirun;  // leads its own process group
    int output;    // the read ends; Run() closes them
    int errors;
    int target;  // where its output goes
    const RankBoard& board;
    // How long mpirun may take until the first rank has started. Infinity where ranks may start
    // out of sight, on other hosts.
    double start_deadline_seconds;
    LastWordsInbox* inbox;  // of those ranks; null where there are none
  };
  ChildEnd Run(const Child& child);

 private:
  bool Step();
  void TakeSignals();
  void TakeErrors();
  void Say(std::string_view text);
  void Interrupt();
  void Stop();
  double Elapsed();
  void WatchTheStart(double seconds);
  void WatchTheEnd(double seconds);
  void EndByForce();
  bool AnyRankHasStarted() const;
  bool AllRanksHaveEnded() const;
  bool AnyRankHasReported() const;

  sigset_t before_{};
  int signals_ = -1;  // signalfd
  pid_t mpirun_ = 0;
  int errors_ = -1;
  std::string unended_;  // of a line for the log
  std::unique_ptr<OutputRelay> output_;
  MpirunWords words_;
  const RankBoard* board_ = nullptr;
  LastWordsInbox* inbox_ = nullptr;
  int interrupts_ = 0;
  bool stopping_ = false;
  bool ended_ = false;

  // Time in which this process was itself stopped does not count.
  double start_deadline_ = 0;
  double waited_ = 0;     // while no rank has started
  double abandoned_ = 0;  // while mpirun has not ended though all ranks have, or one has failed
  double force_at_ = 0;   // in terms of waited_; 0: nobody has told mpirun to end
  bool started_ = false;
  std::chrono::steady_clock::time_point last_look_;
  ChildEnd end_{};
};

// Says what has to be said about the end that no rank has said itself, and returns the exit code.
// Ends this process by SIGPIPE when the reader of its standard output has closed it.
int ReportEnd(const ChildEnd& end, const RankBoard& board);

}  // namespace lockstep
