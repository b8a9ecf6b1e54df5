#pragma once

#include <optional>
#include <string>
#include <vector>

#include "comm/collective.h"
#include "comm/peers/peer_probe.h"

namespace lockstep {

// What is known of a rank of the group when a wait has reached its deadline.
struct PeerAnswer {
  std::string name;              // "rank 1 on node7"
  std::optional<PeerCall> call;  // of the group, in which it waits; none where it waits elsewhere
};

// Whom a wait that has reached its deadline blames where all that it waits for have answered, and
// how; pure. Answers are by rank, that of `self` among them. Names are as a message gives them.

// Those that are furthest behind ("rank 1 on node7, still in barrier (collective 16),"): they are
// late, and who waits for them is too. Without any, the ones in a later call: they came while the
// roll was called.
std::vector<std::string> LatePeers(const PeerCall& mine, int self,
                                   const std::vector<PeerAnswer>& answers);

// Those that are in another call than ours ("rank 1 on node7 is in barrier (collective 17)"); of a
// message the other end, which waits for something else. Where nobody is late, the ranks have
// drifted apart.
std::vector<std::string> PeersElsewhere(const PeerCall& mine, int self,
                                        const std::vector<PeerAnswer>& answers);

// A call that has reached its deadline, for the message of its error.
struct LateCall {
  PeerWait wait;
  const std::vector<int>& ranks;  // of the group, in the world
  int self;                       // in the group
  std::string what;               // "all-reduce of 4096 bytes (collective 17)"
  std::string doing;              // " (rank 0 on node6, while decoding)"
  double seconds;                 // it has waited for
  std::string_view bottleneck;    // why a call in which all take part can be late
};

// Throws the CollectiveError that says who is to blame, as the probe has found out.
[[noreturn]] void FailAtDeadline(const PeerProbe& probe, const LateCall& late);

}  // namespace lockstep
