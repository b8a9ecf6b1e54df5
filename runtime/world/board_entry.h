#pragma once

#include <memory>
#include <string>

#include "runtime/world/last_words.h"
#include "runtime/world/rank_board.h"

namespace lockstep {

// A rank's own slot of the board as long as it lives. Where it sees none, what it does is kept for
// its last words, if anybody wants them.
class BoardEntry {
 public:
  // rank < 0: this process is none. Ends the process where the ranks have been asked to stop
  // already.
  explicit BoardEntry(int rank);
  ~BoardEntry();
  BoardEntry(const BoardEntry&) = delete;
  BoardEntry& operator=(const BoardEntry&) = delete;

  // Whether a parent of ours has started this rank and sees its slot.
  bool spawned() const;
  // Whether one has, here or on another host.
  bool has_parent() const;
  bool SomebodyHasReported() const;
  // "rank 1 has not started", where all ranks are on this host; "" when there is none to name.
  std::string Absent() const;

  // Has failed with this exit code, and says why.
  void SetReported(int code) const;
  // Ends because of others, which somebody else says.
  void EndsSilently() const;
  // The exit code for mpirun, which takes any other than 0 for a crash.
  int Leave(int code) const;

 private:
  std::unique_ptr<RankBoard> board_;
  std::unique_ptr<LastWords> last_words_;
};

}  // namespace lockstep
