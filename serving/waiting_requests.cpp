#include "serving/waiting_requests.h"

#include <limits>

#include "core/error.h"

namespace lockstep {
namespace {

constexpr std::int64_t kBeforeAllTurns = -1;

}  // namespace

void WaitingRequests::Add(Ticket ticket, const Claim& claim) {
  const std::int64_t turn = turns_[claim.priority].Next(claim.client, claim.tokens);
  Put({claim.priority, turn, ticket});
}

void WaitingRequests::PutBack(Ticket ticket, std::int64_t priority) {
  turns_.try_emplace(priority);
  Put({priority, kBeforeAllTurns, ticket});
}

void WaitingRequests::Put(const Place& place) {
  const bool is_new = place_of_.emplace(place.ticket, place).second;
  LOCKSTEP_CHECK(is_new, "request {} waits already", place.ticket);
  places_.insert(place);
}

void WaitingRequests::Begin(Ticket ticket) {
  const auto found = place_of_.find(ticket);
  LOCKSTEP_CHECK(found != place_of_.end(), "request {} does not wait", ticket);
  turns_.at(found->second.priority).NoteBegun(found->second.turn);
  Erase(ticket);
}

void WaitingRequests::Erase(Ticket ticket) {
  const auto node = place_of_.extract(ticket);
  if (node.empty()) return;
  const std::int64_t priority = node.mapped().priority;
  places_.erase(node.mapped());
  const auto next = places_.lower_bound({priority, std::numeric_limits<std::int64_t>::min(), 0});
  const bool others_wait = next != places_.end() && next->priority == priority;
  if (!others_wait) turns_.erase(priority);
}

}  // namespace lockstep
