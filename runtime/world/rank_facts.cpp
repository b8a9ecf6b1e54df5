#include "runtime/world/rank_facts.h"

#include <fmt/format.h>
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

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

// Everybody's values of one key; none where a rank has no say, "nothing" where only this one is
// missing.
std::vector<std::optional<std::string>> ValuesOf(const std::string& key,
                                                 const std::vector<RankFacts>& ranks) {
  std::vector<std::optional<std::string>> values;
  for (const RankFacts& facts : ranks) {
    const auto found = std::ranges::find(facts, key, &RankFact::key);
    if (facts.empty() || (found != facts.end() && found->value.empty()))
      values.emplace_back();
    else
      values.emplace_back(found == facts.end() ? "nothing" : found->value);
  }
  return values;
}

// The value of most ranks; among equally many, that of the lowest.
std::optional<std::size_t> MostCommon(const std::vector<std::optional<std::string>>& values) {
  std::optional<std::size_t> best;
  for (std::size_t rank = 0; rank < values.size(); ++rank) {
    if (!values[rank]) continue;
    if (!best ||
        std::ranges::count(values, values[rank]) > std::ranges::count(values, values[*best]))
      best = rank;
  }
  return best;
}

std::string DisagreementOn(const std::string& key, const std::vector<RankFacts>& ranks,
                           const std::vector<std::string>& places) {
  const auto values = ValuesOf(key, ranks);
  const auto most = MostCommon(values);
  std::vector<std::string> odd;
  for (std::size_t rank = 0; rank < values.size(); ++rank) {
    if (values[rank] && values[rank] != values[*most])
      odd.push_back(fmt::format("{} has {}", places[rank], *values[rank]));
  }
  if (odd.empty()) return "";
  const std::size_t more = odd.size() - std::min(odd.size(), kMostNamed);
  odd.resize(odd.size() - more);
  return fmt::format("the ranks differ in {}: {}{}, but {} has {}", key, fmt::join(odd, ", "),
                     more > 0 ? fmt::format(" and {} more ranks differ", more) : "", places[*most],
                     *values[*most]);
}

}  // namespace

std::string Disagreement(const std::vector<RankFacts>& ranks,
                         const std::vector<std::string>& places) {
  for (const RankFacts& facts : ranks) {
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
  std::vector<RankFacts> ranks;
  std::vector<std::string> places;
  for (const auto& bytes : comm.AllGather(BytesOf(packed))) {
    ranks.push_back(Unpack({reinterpret_cast<const char*>(bytes.data()), bytes.size()}));
    const auto rank = static_cast<int>(places.size());
    places.push_back(fmt::format("rank {} on {}", rank, comm.host(rank)));
  }
  const std::string wrong = Disagreement(ranks, places);
  if (!wrong.empty()) throw AgreedError(ExitCode::kBadInput, fmt::format("{}; {}", wrong, remedy));
}

}  // namespace lockstep
