#include "engine/scheduling/fair_turns.h"

#include <algorithm>

namespace lockstep {

std::int64_t FairTurns::Next(ClientId client, std::int64_t tokens) {
  const auto [place, is_new] = ends_.try_emplace(client, now_);
  if (!is_new) order_.erase({place->second, client});
  const std::int64_t turn = std::max(now_, place->second);
  place->second = turn + 1 + std::max<std::int64_t>(0, tokens) / kTokensPerTurn;
  order_.emplace(place->second, client);
  return turn;
}

void FairTurns::NoteBegun(std::int64_t turn) {
  if (turn <= now_ && ++begun_ < kMostOvertakers) return;
  now_ = std::max(now_ + 1, turn);
  begun_ = 0;
  ForgetThePast();
}

void FairTurns::StartAnew() {
  if (order_.empty()) return;
  now_ = order_.rbegin()->first;
  begun_ = 0;
  ForgetThePast();
}

// Whose turns are over by now is as good as new.
void FairTurns::ForgetThePast() {
  while (!order_.empty() && order_.begin()->first <= now_) {
    ends_.erase(order_.begin()->second);
    order_.erase(order_.begin());
  }
}

}  // namespace lockstep
