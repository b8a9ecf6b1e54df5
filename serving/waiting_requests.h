#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <set>

#include "engine/scheduling/fair_turns.h"
#include "serving/request_sink.h"

namespace lockstep {

// Requests that wait to be given to an engine, in the order in which they go: lower priorities
// first; of one priority those that an engine has had before, then the others, fair between their
// clients. Not thread-safe.
class WaitingRequests {
 public:
  struct Place {
    std::int64_t priority = 0;
    std::int64_t turn = 0;  // of those of its priority
    Ticket ticket = 0;

    auto operator<=>(const Place&) const = default;
  };

  // What decides on a request's place.
  struct Claim {
    std::int64_t priority = 0;
    ClientId client = kNobody;
    std::int64_t tokens = 0;  // that it may compute
  };

  // One that is new.
  void Add(Ticket ticket, const Claim& claim);
  // One whose engine is gone.
  void PutBack(Ticket ticket, std::int64_t priority);
  // It is given to an engine. It waits.
  void Begin(Ticket ticket);
  // It waits no longer, if it did.
  void Erase(Ticket ticket);

  // In order. Taking away one of them leaves the others where they are.
  const std::set<Place>& places() const { return places_; }

 private:
  void Put(const Place& place);

  std::set<Place> places_;
  std::map<Ticket, Place> place_of_;
  std::map<std::int64_t, FairTurns> turns_;  // of each priority with which somebody waits
};

}  // namespace lockstep
