#include "comm/control_plane.h"

namespace lockstep {

void ControlPlane::Send(int to, std::span<const std::byte> message) {
  LOCKSTEP_CHECK(to >= 0 && to < size(), "rank {} of {}", to, size());
  if (to != rank()) return SendTo(to, message);
  to_self_.emplace_back(message.begin(), message.end());
}

void ControlPlane::Recv(int from, Bytes& message) {
  LOCKSTEP_CHECK(from >= 0 && from < size(), "rank {} of {}", from, size());
  if (from != rank()) return RecvFrom(from, message);
  if (to_self_.empty())
    throw CollectiveError(
        ExitCode::kInternal,
        fmt::format("receive from rank {} on {}: it is this rank, which has sent nothing; please "
                    "report this",
                    from, host(from)));
  message = std::move(to_self_.front());
  to_self_.pop_front();
}

}  // namespace lockstep
