#pragma once

#include <memory>
#include <vector>

#include "comm/mailbox.h"
#include "batch/queue/desk_letters.h"
#include "batch/queue/silence.h"

namespace lockstep {

// The desk of a group that does not have the input: it writes to rank 0 of the world, which does.
class RemoteDesk : public LineDesk {
 public:
  // world and mailbox stay the caller's.
  RemoteDesk(Communicator& world, Mailbox& mailbox)
      : world_(world), mailbox_(mailbox), sign_(world.deadline_seconds()) {}

  std::vector<WorkLine> Take() override;
  void Put(LineResult result) override { report_.results.push_back(std::move(result)); }
  bool ended() const override { return ended_; }

  // In long work of this group.
  void ShowLife();

  // Once ended: takes leave, so that no letter is left behind. Throws CollectiveError when rank 0
  // does not take it.
  void Leave();

 private:
  void Send();
  void CheckForSilence();

  Communicator& world_;
  Mailbox& mailbox_;
  DeskReport report_;  // not sent yet
  Silence silence_;
  Every sign_;
  bool ended_ = false;
};

}  // namespace lockstep
