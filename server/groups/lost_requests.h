#pragma once

#include "core/error.h"
#include "server/groups/held_request.h"
#include "serving/request_sink.h"

namespace lockstep {

// What the log says of requests whose ranks have ended, each by its name.

enum class LostTo : std::uint8_t { kOtherRanks, kTrial };  // kTrial: it is suspected

// It goes on.
void LogLost(Ticket ticket, const HeldRequest& held, LostTo next);

// It has ended its ranks too often: what its client is told.
Error Refused(Ticket ticket, const HeldRequest& held);

}  // namespace lockstep
