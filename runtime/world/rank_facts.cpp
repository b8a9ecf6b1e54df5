#include "runtime/world/rank_facts.h"

#include <fmt/format.h>
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

#include <map>
#include <optional>
#include <span>
#include <utility>

#include "core/error.h"
#include "core/hash.h"
#include "runtime/world/world.h"

namespace lockstep {
namespace {

constexpr std::size_t kMostNamed = 8;

std::string Pack(const RankFacts& facts) {
  std::string text;
  for (const RankFact& fact : facts) text += fact.key + '\0' + fact.value + '\0';
  return text;
}

RankFacts Unpack(std::string_view text) {
  RankFacts facts;
  const auto next = [&] {
    const auto end = std::min(text.find('\0'), text.size());
    std::string word(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    return word;
  };
  while (!text.empty()) {
    std::string key = next();
    facts.push_back({std::move(key), next()});
  }
  return facts;
}

std::span<const std::byte> BytesOf(const std::string& text) {
  return std::as_bytes(std::span(text));
}

std::string_view TextOf(const ControlPlane::Bytes& bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// What the kinds have to say of one key; none where they have no say, "nothing" where only this one
// is missing.
std::vector<std::optional<std::string>> ValuesOf(const std::string& key,
                                                 const std::vector<RankFacts>& kinds) {
  std::vector<std::optional<std::string>> values;
  for (const RankFacts& facts : kinds) {
    const auto found = std::ranges::find(facts, key, &RankFact::key);
    if (facts.empty() || (found != facts.end() && found->value.empty()))
      values.emplace_back();
    else
      values.emplace_back(found == facts.end() ? "nothing" : found->value);
  }
  return values;
}

// The lowest rank with the value of most ranks; among equally many, the lowest of all.
std::optional<std::size_t> MostCommon(const std::vector<std::optional<std::string>>& values,
                                      const std::vector<std::size_t>& kind_of) {
  std::map<std::string_view, std::size_t> counts;
  for (const std::size_t kind : kind_of)
    if (values[kind]) ++counts[*values[kind]];
  std::optional<std::size_t> best;
  for (std::size_t rank = 0; rank < kind_of.size(); ++rank) {
    const auto& value = values[kind_of[rank]];
    if (value && (!best || counts[*value] > counts[*values[kind_of[*best]]])) best = rank;
  }
  return best;
}

std::string DisagreementOn(const std::string& key, const KindsOfRanks& ranks,
                           const std::vector<std::string>& places) {
  const auto values = ValuesOf(key, ranks.kinds);
  const auto most = MostCommon(values, ranks.kind_of);
  std::vector<std::string> odd;
  for (std::size_t rank = 0; most && rank < ranks.kind_of.size(); ++rank) {
    const auto& value = values[ranks.kind_of[rank]];
    if (value && value != values[ranks.kind_of[*most]])
      odd.push_back(fmt::format("{} has {}", places[rank], *value));
  }
  if (odd.empty()) return "";
  const std::size_t more = odd.size() - std::min(odd.size(), kMostNamed);
  odd.resize(odd.size() - more);
  return fmt::format("the ranks differ in {}: {}{}, but {} has {}", key, fmt::join(odd, ", "),
                     more > 0 ? fmt::format(" and {} more ranks differ", more) : "", places[*most],
                     *values[ranks.kind_of[*most]]);
}

// Of each rank, the lowest one with the same hash.
std::vector<std::size_t> LowestAlike(const std::vector<ControlPlane::Bytes>& hashes) {
  std::map<std::string_view, std::size_t> lowest;
  std::vector<std::size_t> alike;
  for (std::size_t rank = 0; rank < hashes.size(); ++rank)
    alike.push_back(lowest.try_emplace(TextOf(hashes[rank]), rank).first->second);
  return alike;
}

// Of those that have the same facts the lowest rank tells them: of a large world they are few.
KindsOfRanks GatherKinds(ControlPlane& comm, const std::string& mine,
                         const std::vector<std::size_t>& alike) {
  const auto self = static_cast<std::size_t>(comm.rank());
  const auto words = comm.AllGather(alike[self] == self ? BytesOf(mine) : BytesOf(""));
  KindsOfRanks ranks;
  for (std::size_t rank = 0; rank < alike.size(); ++rank) {
    if (alike[rank] < rank) {
      ranks.kind_of.push_back(ranks.kind_of[alike[rank]]);
      continue;
    }
    ranks.kind_of.push_back(ranks.kinds.size());
    ranks.kinds.push_back(Unpack(TextOf(words[rank])));
  }
  return ranks;
}

}  // namespace

std::string Disagreement(const KindsOfRanks& ranks, const std::vector<std::string>& places) {
  for (const RankFacts& facts : ranks.kinds) {
    for (const RankFact& fact : facts) {
      std::string found = DisagreementOn(fact.key, ranks, places);
      if (!found.empty()) return found;
    }
  }
  return "";
}

void CompareFacts(ControlPlane& comm, const RankFacts& mine, std::string_view remedy) {
  const std::string packed = Pack(mine);
  const std::array hash{HashBytes(BytesOf(packed)), HashBytes(BytesOf(packed), 1)};
  const auto hashes = comm.AllGather(std::as_bytes(std::span(hash)));
  if (std::ranges::all_of(hashes, [&](const auto& one) { return one == hashes[0]; })) return;
  const KindsOfRanks ranks = GatherKinds(comm, packed, LowestAlike(hashes));
  std::vector<std::string> places;
  for (int rank = 0; rank < comm.size(); ++rank)
    places.push_back(fmt::format("rank {} on {}", rank, comm.host(rank)));
  const std::string wrong = Disagreement(ranks, places);
  if (!wrong.empty()) throw AgreedError(ExitCode::kBadInput, fmt::format("{}; {}", wrong, remedy));
}

}  // namespace lockstep
