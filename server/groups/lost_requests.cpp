#include "server/groups/lost_requests.h"

#include "core/log.h"
#include "core/logging/structured_log.h"

namespace lockstep {

void LogLost(Ticket ticket, const HeldRequest& held, LostTo next) {
  const LogScope about(held.sink()->label());
  if (next == LostTo::kTrial)
    return LogWarning(
        "request {} may have ended the ranks, from which it had got no token: it is tried alone",
        ticket);
  LogInfo("request {} is given to ranks again, and continues after {} tokens", ticket,
          held.reached_tokens());
}

Error Refused(Ticket ticket, const HeldRequest& held) {
  const LogLabel* label = held.sink()->label();
  const LogScope about(label);
  LogError("request {} was refused: the ranks have ended each time that they began with it",
           ticket);
  const std::string name = label != nullptr ? label->request_id : fmt::format("number {}", ticket);
  return Error(
      ExitCode::kRankFailure,
      fmt::format("this request has ended the ranks twice, and is refused; it is {} in the "
                  "server's log",
                  name));
}

}  // namespace lockstep
