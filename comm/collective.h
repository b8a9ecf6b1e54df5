#pragma once

#include <string_view>

namespace lockstep {

// Which collective a message belongs to, so that ranks which have drifted apart never take each
// other's messages for their own.
enum class Collective : int { kAllReduce, kAllGather, kGather, kBroadcast, kBarrier, kPeerProbe };

constexpr std::string_view NameOf(Collective collective) {
  switch (collective) {
    case Collective::kAllReduce: return "all-reduce";
    case Collective::kAllGather: return "all-gather";
    case Collective::kGather: return "gather";
    case Collective::kBroadcast: return "broadcast";
    case Collective::kBarrier: return "barrier";
    case Collective::kPeerProbe: return "peer probe";
  }
  return "unknown collective";
}

}  // namespace lockstep
