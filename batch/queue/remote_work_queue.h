#pragma once

#include <memory>
#include <vector>

#include "batch/queue/batch_messages.h"
#include "batch/queue/timers.h"
#include "comm/messenger.h"

namespace lockstep {

// The queue of a group that does not have the input: it writes to rank 0 of the world, which does.
class RemoteWorkQueue : public WorkQueue {
 public:
  // world and messenger stay the caller's.
  RemoteWorkQueue(ControlPlane& world, Messenger& messenger)
      : world_(world), messenger_(messenger), heartbeat_(world.deadline_seconds()) {}

  std::vector<WorkLine> Take() override;
  void Put(LineResult result) override { report_.results.push_back(std::move(result)); }
  bool ended() const override { return ended_; }

  // In long work of this group.
  void SendHeartbeat();

  // Once ended: takes leave, so that no message is left behind. Throws CollectiveError when rank 0
  // does not take it.
  void Leave();

 private:
  void Send();
  void CheckTimeout();

  ControlPlane& world_;
  Messenger& messenger_;
  WorkerReport report_;  // not sent yet
  PeerTimeout timeout_;
  PeriodicTimer heartbeat_;
  bool ended_ = false;
};

}  // namespace lockstep
