#pragma once

#include <optional>
#include <string>
#include <vector>

#include "comm/collective.h"

namespace lockstep {

// What a peer answered when a wait had reached its deadline.
struct PeerAnswer {
  std::string name;              // "rank 1 on node7"
  std::optional<PeerCall> call;  // where it waits; none when it did not answer
};

// Whom a wait that has reached its deadline blames, and how; pure. Answers are by rank, that of
// `self` among them. Names are as a message gives them.

// Those that are not there. Without any, those that are furthest behind ("rank 1 on node7, still in
// barrier (collective 16),"): they are late, and who waits for them is too. Without those, the ones
// in a later call: they came while the roll was called. Of a message only the other end counts, as
// long as it does not wait for somebody itself.
std::vector<std::string> LatePeers(const PeerCall& mine, int self,
                                   const std::vector<PeerAnswer>& answers);

// Those that are in another call than ours ("rank 1 on node7 is in barrier (collective 17)"); of a
// message the other end, which waits for something else. Where nobody is late, the ranks have
// drifted apart.
std::vector<std::string> PeersElsewhere(const PeerCall& mine, int self,
                                        const std::vector<PeerAnswer>& answers);

}  // namespace lockstep
