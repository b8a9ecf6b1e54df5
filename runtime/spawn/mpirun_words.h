#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>

namespace lockstep {

// Tells what ranks write to standard error, which is passed on as it comes, from mpirun's own
// explanations: blocks between two lines of dashes. They are kept, because most of them say at
// length what the ranks say in one line, and shown only where nobody else can say what happened.
class MpirunWords {
 public:
  // mpirun's own process: what Open MPI prints under its number ("[host:25098] *** Process received
  // signal ***" and a backtrace: some versions crash while they clean up behind a rank that was
  // aborted) are its remarks; under another number it is a rank's crash, and passed on.
  void set_process(pid_t process) { process_ = process; }

  // Takes a piece of mpirun's standard error, cut anywhere; returns what is to be passed on now.
  std::string Pass(std::string_view piece);
  // The same at the end of it.
  std::string Finish();

  // What mpirun and MPI have explained, without the news that ranks have ended, which are ours to
  // tell. Empty, or whole lines.
  const std::string& explanation() const { return explanation_; }
  // Its remarks about its own troubles, which say something only where no rank has started.
  const std::string& remarks() const { return remarks_; }
  // Whether it has given such news: then it has ended because of a rank.
  bool ranks_ended() const { return ranks_ended_; }
  // The rank that this news names, the first to have ended; -1: none.
  int ended_rank() const { return ended_rank_; }
  // Its host, as mpirun calls it; "" where it does not say.
  const std::string& ended_host() const { return ended_host_; }

 private:
  std::string PassLine(std::string_view line);
  void Keep(std::string_view text);
  bool IsOwn(std::string_view line) const;

  pid_t process_ = 0;
  std::string line_;  // begun, and not passed on yet
  std::string block_;
  std::string explanation_;
  std::string remarks_;
  bool ranks_ended_ = false;
  int ended_rank_ = -1;
  std::string ended_host_;
  bool in_block_ = false;
  bool in_line_ = false;  // the beginning of this line has been passed on
};

}  // namespace lockstep
