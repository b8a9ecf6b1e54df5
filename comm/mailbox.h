#pragma once

#include <memory>
#include <optional>

#include "comm/communicator.h"

namespace lockstep {

// Letters between ranks of the world that do not move in lockstep: the first ranks of groups that
// share work. Neither call waits for the other side. Letters from one rank arrive in the order in
// which they were sent.
class Mailbox {
 public:
  struct Letter {
    int from = 0;
    Communicator::Bytes text;
  };

  virtual ~Mailbox() = default;

  virtual void Send(int to, Communicator::Bytes text) = 0;

  // A letter that has arrived, if there is one.
  virtual std::optional<Letter> Receive() = 0;

  // Whether all letters sent so far have been taken off our hands.
  virtual bool empty() = 0;
};

// Collective over the world, which the mailbox is not to outlive. Whoever has sent letters waits
// until empty() before it leaves the world.
std::unique_ptr<Mailbox> OpenMailbox(Communicator& world);

}  // namespace lockstep
