#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "comm/control_plane.h"

namespace lockstep {

// Letters between ranks of the world that do not move in lockstep: the first ranks of groups that
// share work. Neither call waits for the other side. Letters from one rank arrive in the order in
// which they were sent.
// Not thread-safe: the thread that owns MPI.
class Messenger {
 public:
  struct Message {
    int from = 0;
    ControlPlane::Bytes text;
  };

  virtual ~Messenger() = default;

  virtual void Send(int to, ControlPlane::Bytes text) = 0;

  // A message that has arrived, if there is one.
  virtual std::optional<Message> Receive() = 0;

  // Whether all messages given so far have left.
  virtual bool empty() = 0;

  // For whom a rank waits that has not been heard of, to the end of the way: itself, where it does
  // not answer; nobody, where all answer. Asks for a second at most (comm/peers/peer_probe.h).
  virtual std::vector<int> WhoHoldsUp(int rank) = 0;
};

// ", which waits for rank 3 on node2" after a rank's name; "" where it waits for nobody. Waits for
// a second at most, as WhoHoldsUp() does.
std::string WhichWaitsFor(Messenger& messenger, const ControlPlane& world, int rank);

// Collective over the world, which the messenger is not to outlive. Whoever has sent messages waits
// until empty() before it leaves the world.
std::unique_ptr<Messenger> OpenMessenger(ControlPlane& world);

}  // namespace lockstep
