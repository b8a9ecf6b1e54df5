#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "comm/control_plane.h"

namespace lockstep {

// What has to be the same on every rank, because they compute one text together.
struct RankFact {
  std::string key;    // "model.dtype"
  std::string value;  // "bf16"; "": not this rank's business

  bool operator==(const RankFact&) const = default;
};
using RankFacts = std::vector<RankFact>;

// Throws AgreedError(kBadInput), the same on every rank, when the ranks' facts differ: names the
// ranks that are not as most are, their hosts, the first key that differs and both values, then the
// remedy. A rank without any facts is passed over: something else is wrong with it. Costs one small
// collective where all agree. Collective.
void CompareFacts(ControlPlane& comm, const RankFacts& mine, std::string_view remedy);

// Ranks that have the same facts are of one kind: there are few, even of many ranks.
struct KindsOfRanks {
  std::vector<RankFacts> kinds;
  std::vector<std::size_t> kind_of;  // each rank
};

// The part of it that is a pure function: what is wrong with these; "" when nothing is.
// places: of each rank, "rank 1 on node7".
std::string Disagreement(const KindsOfRanks& ranks, const std::vector<std::string>& places);

}  // namespace lockstep
