#pragma once

#include <map>
#include <optional>
#include <span>
#include <vector>

#include "serving/request_sink.h"

namespace lockstep {

// Finds the request that ends the ranks which compute it, among the many that were there. When
// ranks end, whoever of their requests had got no token from them is suspected; those that had are
// not, whatever came before. Suspects are tried one at a time beside the others, until each has got
// a token or ended. Ranks that end while one is tried are a strike for it, and at two strikes it is
// refused. A trial takes no longer than a token, so that hardly anybody is struck twice by chance.
//
// Ranks that were killed or stopped from outside are no fault of a request's: nobody is blamed.
//
// A pure function of what it is told. Not thread-safe.
class Suspects {
 public:
  static constexpr int kMostStrikes = 2;

  struct Given {
    Ticket ticket = 0;
    bool progressed = false;  // has got a token from the ranks that have ended
  };

  // Ranks that had these have ended. Those to be refused, of whom nothing is kept.
  std::vector<Ticket> Blame(std::span<const Given> given);

  // Ranks have ended that had the one that is tried, and nobody is to blame: it is tried again.
  void EndTrial() { tried_.reset(); }

  bool Contains(Ticket ticket) const { return strikes_.contains(ticket); }
  bool IsStruck(Ticket ticket) const;

  // Who is to be tried now, the struck ones first; nobody while one is being tried.
  std::optional<Ticket> Next() const;
  void Try(Ticket ticket) { tried_ = ticket; }
  std::optional<Ticket> tried() const { return tried_; }

  // It has got a token, or ended.
  void Clear(Ticket ticket);

 private:
  std::map<Ticket, int> strikes_;
  std::optional<Ticket> tried_;
};

}  // namespace lockstep
