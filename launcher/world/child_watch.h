#pragma once

#include <signal.h>
#include <sys/types.h>

#include <string>

#include "launcher/world/rank_board.h"

namespace lockstep {

// How the world under mpirun ended.
struct ChildEnd {
  int wait_status;           // mpirun's, as waitpid() gives it
  bool interrupted = false;  // by Ctrl-C and its relatives
  bool output_closed = false;
};

// The parent's side of SpawnWorld() while the ranks run: passes interrupts on, relays rank 0's
// output, and returns when mpirun has ended.
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
    int output;    // the read end; Run() closes it
    const RankBoard& board;
  };
  ChildEnd Run(const Child& child);

 private:
  bool Step();
  void TakeSignals();
  void Relay();
  void Interrupt();
  void CloseOutput();

  sigset_t before_{};
  int signals_ = -1;  // signalfd
  pid_t mpirun_ = 0;
  int output_ = -1;
  const RankBoard* board_ = nullptr;
  std::string unwritten_;
  int interrupts_ = 0;
  bool ended_ = false;
  ChildEnd end_{};
};

// Says what has to be said about the end that no rank has said itself, and returns the exit code.
// Ends this process by SIGPIPE when its standard output was closed.
int ReportEnd(const ChildEnd& end, const RankBoard& board);

}  // namespace lockstep
