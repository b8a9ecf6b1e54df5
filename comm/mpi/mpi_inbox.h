#pragma once

#include <mpi.h>

#include <functional>
#include <list>
#include <optional>
#include <string>

#include "comm/control_plane.h"
#include "comm/deadline_backoff.h"

namespace lockstep {

// Messages of any length with one tag, from any rank of MPI's world. Never waits for a sender: a
// message that has begun to arrive is received beside whatever the program does.
// Not thread-safe: the thread that owns MPI.
class MpiInbox {
 public:
  struct Message {
    int from;  // in MPI's world
    ControlPlane::Bytes bytes;
  };
  // name: of a rank, for messages.
  MpiInbox(int tag, std::function<std::string(int)> name);
  ~MpiInbox();
  MpiInbox(const MpiInbox&) = delete;
  MpiInbox& operator=(const MpiInbox&) = delete;

  // The next message that is here as a whole, if there is one; those of one rank in the order in
  // which it sent them. Throws CollectiveError(kRankFailure) when one has begun and not ended
  // within the deadline, as far as this process was there to see it.
  std::optional<Message> Take(double deadline_seconds);

 private:
  struct Arriving {
    Message message;
    MPI_Request request;
    DeadlineBackoff patience;
  };
  void Begin(double deadline_seconds);
  bool IsFirstOfItsSender(std::list<Arriving>::const_iterator one) const;
  void Check(int code, int from) const;

  int tag_;
  std::function<std::string(int)> name_;
  std::list<Arriving> arriving_;
};

}  // namespace lockstep
