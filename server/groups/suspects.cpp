#include "server/groups/suspects.h"

#include <algorithm>

namespace lockstep {

std::vector<Ticket> Suspects::Blame(std::span<const Given> given) {
  std::vector<Ticket> refused;
  const std::optional<Ticket> tried = tried_;
  for (const Given& one : given) {
    if (one.progressed) {
      Clear(one.ticket);
      continue;
    }
    int& strikes = strikes_[one.ticket];
    if (one.ticket != tried) continue;
    tried_.reset();
    if (++strikes == kMostStrikes) refused.push_back(one.ticket);
  }
  for (const Ticket ticket : refused) Clear(ticket);
  return refused;
}

bool Suspects::IsStruck(Ticket ticket) const {
  const auto found = strikes_.find(ticket);
  return found != strikes_.end() && found->second > 0;
}

std::optional<Ticket> Suspects::Next() const {
  if (tried_ || strikes_.empty()) return std::nullopt;
  return std::ranges::max_element(strikes_, {}, [](const auto& one) { return one.second; })->first;
}

void Suspects::Clear(Ticket ticket) {
  strikes_.erase(ticket);
  if (tried_ == ticket) tried_.reset();
}

}  // namespace lockstep
