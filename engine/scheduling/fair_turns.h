#pragma once

#include <cstddef>
#include <cstdint>
#include <set>
#include <unordered_map>
#include <utility>

namespace lockstep {

// Who asks, as whoever takes requests tells clients apart.
using ClientId = std::uint64_t;
inline constexpr ClientId kNobody = 0;  // in particular: the lines of a job

// Turns in a queue that is fair between clients (start-time fair queueing). A client's requests
// stand behind each other, as many turns apart as each one is worth; its first one stands where
// those stand that are being begun, however many others of other clients wait. So who has
// hundreds of requests in the queue shares its places with those who come later, and of one client
// alone turns are its order of arrival.
//
// Time, which is counted in turns, goes on with the requests that are begun, and by one turn at
// least with kMostOvertakers of them: no stream of new clients, however long, keeps a client that
// has had turns waiting for ever.
//
// Every call takes O(log n) of n clients whose turns lie ahead; the others are forgotten. Not
// thread-safe.
class FairTurns {
 public:
  // A text is worth a turn, and another one for each so many tokens that it may compute.
  static constexpr std::int64_t kTokensPerTurn = 256;
  static constexpr std::int64_t kMostOvertakers = 256;

  // The turn of a client's new request that computes so many tokens at most. Lower ones go first,
  // equal ones as they came.
  std::int64_t Next(ClientId client, std::int64_t tokens);
  // A request of this turn is begun.
  void NoteBegun(std::int64_t turn);
  // Nothing waits and nothing is being worked on: what has been is of no more interest.
  void StartAnew();

  // That are remembered.
  std::size_t clients() const { return ends_.size(); }

 private:
  void ForgetThePast();

  std::int64_t now_ = 0;
  std::int64_t begun_ = 0;                             // since time went on
  std::unordered_map<ClientId, std::int64_t> ends_;    // of a client's last turn, where it is ahead
  std::set<std::pair<std::int64_t, ClientId>> order_;  // the same
};

}  // namespace lockstep
