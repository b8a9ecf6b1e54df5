#include "comm/collective.h"

#include <fmt/format.h>

namespace lockstep {

bool Meet(const PeerCall& mine, const PeerCall& theirs, int self) {
  if (mine.number != theirs.number) return false;
  if (!IsOfTwo(mine.collective)) return mine.collective == theirs.collective;
  return IsOfTwo(theirs.collective) && mine.collective != theirs.collective && theirs.peer == self;
}

std::string Describe(const PeerCall& call, std::string_view peer) {
  switch (call.collective) {
    case Collective::kSend:
      return fmt::format("send of {} bytes to {} (message {})", call.bytes, peer, call.number);
    case Collective::kReceive:
      return fmt::format("receive from {} (message {})", peer, call.number);
    default:
      return fmt::format("{} of {} bytes (collective {})", NameOf(call.collective), call.bytes,
                         call.number);
  }
}

std::string Describe(Collective collective, std::uint64_t number) {
  return fmt::format("{} ({} {})", NameOf(collective),
                     IsOfTwo(collective) ? "message" : "collective", number);
}

}  // namespace lockstep
