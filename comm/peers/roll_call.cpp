#include "comm/peers/roll_call.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <set>

#include "comm/control_plane.h"

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
  std::vector<std::string> late = FurthestBehind(mine, self, answers);
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

namespace {

std::vector<PeerAnswer> AnswersOfGroup(const PeerProbe& probe, const LateCall& late,
                                       const PeerProbe::Findings& findings) {
  std::vector<PeerAnswer> answers;
  for (const int rank : late.ranks) {
    answers.push_back({.name = probe.Name(rank), .call = std::nullopt});
    const auto found = findings.answers.find(rank);
    if (found != findings.answers.end() && found->second.group == late.wait.group)
      answers.back().call = found->second.call;
  }
  answers[static_cast<std::size_t>(late.self)].call = late.wait.call;
  return answers;
}

// The ends of the ways from this rank's wait within its group: ranks that wait in another one.
// Where nobody is silent, what they wait for leads back to this rank.
std::vector<std::string> InOtherGroups(const PeerProbe& probe, const LateCall& late,
                                       const PeerProbe::Findings& findings) {
  std::vector<std::string> names;
  std::set<int> seen;
  std::vector<int> next = late.wait.awaited;
  while (!next.empty()) {
    const int rank = next.back();
    next.pop_back();
    const auto found = findings.answers.find(rank);
    if (!seen.insert(rank).second || found == findings.answers.end()) continue;
    const PeerWait& theirs = found->second;
    if (theirs.group != late.wait.group)
      names.push_back(probe.Name(rank));
    else
      next.insert(next.end(), theirs.awaited.begin(), theirs.awaited.end());
  }
  return names;
}

}  // namespace

void FailAtDeadline(const PeerProbe& probe, const LateCall& late) {
  const PeerProbe::Findings findings = probe.Find(late.wait);
  const std::vector<PeerAnswer> answers = AnswersOfGroup(probe, late, findings);
  std::vector<std::string> blamed;
  for (const int rank : findings.silent) blamed.push_back(probe.Name(rank));
  if (blamed.empty()) blamed = LatePeers(late.wait.call, late.self, answers);
  if (blamed.empty()) blamed = InOtherGroups(probe, late, findings);
  if (!blamed.empty()) {
    throw CollectiveError(ExitCode::kRankFailure,
                          fmt::format("{}: {} did not arrive within {:g} s{}", late.what,
                                      fmt::join(blamed, ", "), late.seconds, late.doing));
  }
  const auto elsewhere = PeersElsewhere(late.wait.call, late.self, answers);
  if (!elsewhere.empty()) {
    throw CollectiveError(ExitCode::kInternal,
                          fmt::format("{}: the ranks have drifted apart, {}{}; please report this",
                                      late.what, fmt::join(elsewhere, ", "), late.doing));
  }
  throw CollectiveError(
      ExitCode::kRankFailure,
      fmt::format("{}: not finished within {:g} s although every rank takes part, so {}{}",
                  late.what, late.seconds, late.bottleneck, late.doing));
}

}  // namespace lockstep
