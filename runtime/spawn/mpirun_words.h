#pragma once

#include <string>
#include <string_view>

namespace lockstep {

// Tells what ranks write to standard error, which is passed on as it comes, from mpirun's own
// explanations: blocks between two lines of dashes. They are kept, because most of them say at
// length what the ranks say in one line, and shown only where nobody else can say what happened.
class MpirunWords {
 public:
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

 private:
  std::string PassLine(std::string_view line);
  void Keep(std::string_view text);

  std::string line_;  // begun, and not passed on yet
  std::string block_;
  std::string explanation_;
  std::string remarks_;
  bool ranks_ended_ = false;
  bool in_block_ = false;
  bool in_line_ = false;  // the beginning of this line has been passed on
};

}  // namespace lockstep
