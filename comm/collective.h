#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace lockstep {

// Which call a message belongs to, so that ranks which have drifted apart never take each other's
// messages for their own. The last two are of a message between two ranks.
enum class Collective : int {
  kAllReduce,
  kAllGather,
  kGather,
  kBroadcast,
  kBarrier,
  kPeerProbe,
  kSend,
  kReceive
};

constexpr std::string_view NameOf(Collective collective) {
  switch (collective) {
    case Collective::kAllReduce: return "all-reduce";
    case Collective::kAllGather: return "all-gather";
    case Collective::kGather: return "gather";
    case Collective::kBroadcast: return "broadcast";
    case Collective::kBarrier: return "barrier";
    case Collective::kPeerProbe: return "peer probe";
    case Collective::kSend: return "send";
    case Collective::kReceive: return "receive";
  }
  return "unknown collective";
}

constexpr bool IsOfTwo(Collective collective) {
  return collective == Collective::kSend || collective == Collective::kReceive;
}

// What a rank does together with its peers at the moment.
struct PeerCall {
  Collective collective = Collective::kBarrier;
  std::uint64_t number = 0;  // among the group's collectives, or among the messages of the two
  std::size_t bytes = 0;     // of this rank; 0 for one that receives
  int peer = -1;             // of a message between two
};

// Whether two ranks are in calls that belong together. mine: of rank `self`.
bool Meet(const PeerCall& mine, const PeerCall& theirs, int self);

// "all-reduce of 4096 bytes (collective 17)", "send of 40 bytes to rank 1 on node7 (message 3)".
// peer: the name of call.peer.
std::string Describe(const PeerCall& call, std::string_view peer);
// "barrier (collective 18)", "send (message 3)"
std::string Describe(Collective collective, std::uint64_t number);

}  // namespace lockstep
