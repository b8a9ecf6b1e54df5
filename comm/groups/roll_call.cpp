#include "comm/groups/roll_call.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <limits>

namespace lockstep {
namespace {

// Collectives are numbered by the group, messages by the two that exchange them.
bool AreNumberedTogether(const PeerCall& mine, const PeerCall& theirs, int self) {
  if (IsOfTwo(mine.collective) != IsOfTwo(theirs.collective)) return false;
  return !IsOfTwo(mine.collective) || theirs.peer == self;
}

// The number of the peer's call, where it can be compared with ours; else our own.
std::uint64_t NumberOf(const PeerAnswer& answer, const PeerCall& mine, int self) {
  const bool comparable = answer.call && AreNumberedTogether(mine, *answer.call, self);
  return comparable ? answer.call->number : mine.number;
}

std::vector<std::string> Absent(int self, const std::vector<PeerAnswer>& answers) {
  std::vector<std::string> absent;
  for (std::size_t peer = 0; peer < answers.size(); ++peer)
    if (static_cast<int>(peer) != self && !answers[peer].call) absent.push_back(answers[peer].name);
  return absent;
}

std::vector<std::string> FurthestBehind(const PeerCall& mine, int self,
                                        const std::vector<PeerAnswer>& answers) {
  std::uint64_t first = mine.number;
  for (const PeerAnswer& answer : answers) first = std::min(first, NumberOf(answer, mine, self));
  std::vector<std::string> behind;
  for (const PeerAnswer& answer : answers) {
    if (first == mine.number || NumberOf(answer, mine, self) != first) continue;
    behind.push_back(fmt::format("{}, still in {},", answer.name,
                                 Describe(answer.call->collective, answer.call->number)));
  }
  return behind;
}

std::vector<std::string> Ahead(const PeerCall& mine, int self,
                               const std::vector<PeerAnswer>& answers) {
  std::vector<std::string> ahead;
  for (const PeerAnswer& answer : answers)
    if (NumberOf(answer, mine, self) > mine.number) ahead.push_back(answer.name);
  return ahead;
}

}  // namespace

std::vector<std::string> LatePeers(const PeerCall& mine, int self,
                                   const std::vector<PeerAnswer>& answers) {
  if (IsOfTwo(mine.collective)) {
    const PeerAnswer& other = answers[static_cast<std::size_t>(mine.peer)];
    if (!other.call) return {other.name};
  }
  std::vector<std::string> late = Absent(self, answers);
  if (late.empty()) late = FurthestBehind(mine, self, answers);
  if (late.empty()) late = Ahead(mine, self, answers);
  return late;
}

std::vector<std::string> PeersElsewhere(const PeerCall& mine, int self,
                                        const std::vector<PeerAnswer>& answers) {
  std::vector<std::string> elsewhere;
  for (std::size_t at = 0; at < answers.size(); ++at) {
    const int peer = static_cast<int>(at);
    const std::optional<PeerCall>& call = answers[at].call;
    const bool concerns_us = !IsOfTwo(mine.collective) || peer == mine.peer;
    if (peer == self || !call || !concerns_us || Meet(mine, *call, self)) continue;
    elsewhere.push_back(
        fmt::format("{} is in {}", answers[at].name, Describe(call->collective, call->number)));
  }
  return elsewhere;
}

}  // namespace lockstep
