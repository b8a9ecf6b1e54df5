#pragma once

#include <poll.h>

#include <string>

namespace lockstep {

// Passes rank 0's output on to this process's own, or another open file, a piece at a time, so that
// a reader who is slow or gone holds nobody up.
class OutputRelay {
 public:
  // source: the read end of a pipe, which is closed here. target: stays the caller's.
  OutputRelay(int source, int target);
  ~OutputRelay();
  OutputRelay(const OutputRelay&) = delete;
  OutputRelay& operator=(const OutputRelay&) = delete;

  // What to wait for; nothing (-1) once all is done.
  pollfd Awaited() const;
  // Call when that has come. False at the first write that fails: later output is dropped.
  bool Move();
  void CloseSource();

  bool done() const { return source_ < 0 && unwritten_.empty(); }
  bool waits_for_reader() const { return !unwritten_.empty(); }
  // errno of the write that failed; 0: none has.
  int error() const { return error_; }

 private:
  bool Write();

  int source_;
  int target_;
  std::string unwritten_;
  int error_ = 0;
};

}  // namespace lockstep
