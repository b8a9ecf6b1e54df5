#include "runtime/memory/memory_check.h"

#include <algorithm>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <tuple>

#include "core/error.h"
#include "runtime/world/world.h"

namespace lockstep {
namespace {

using Json = nlohmann::json;

// "11.3 GB", "0.4 MB"
std::string Size(double bytes) {
  return bytes < 1e9 ? fmt::format("{:.1f} MB", 1e-6 * bytes)
                     : fmt::format("{:.1f} GB", 1e-9 * bytes);
}

// All claims on one pool.
struct Demand {
  MemoryPool pool;
  int first_rank = 0;
  int ranks = 0;
  MemoryNeed need;
  std::vector<std::pair<std::string, double>> otherwise;

  bool Fits() const { return need.total() <= pool.free_bytes; }
};

bool SamePool(const Demand& demand, const MemoryClaim& claim, const HostMap& hosts) {
  if (demand.pool.id != claim.pool.id || !hosts.SameHost(demand.first_rank, claim.rank))
    return false;
  return claim.pool.id != MemoryPool::kOwn ||
         (demand.first_rank == claim.rank && demand.pool.name == claim.pool.name);
}

void Add(const MemoryClaim& claim, Demand& demand) {
  ++demand.ranks;
  demand.need += claim.need;
  // Neighbours have looked a moment apart.
  demand.pool.free_bytes = std::min(demand.pool.free_bytes, claim.pool.free_bytes);
  for (std::size_t i = 0; i < std::min(demand.otherwise.size(), claim.otherwise.size()); ++i)
    demand.otherwise[i].second += claim.otherwise[i].second;
}

std::vector<Demand> DemandsOf(const std::vector<MemoryClaim>& claims, const HostMap& hosts) {
  std::vector<Demand> demands;
  for (const MemoryClaim& claim : claims) {
    const auto known = std::ranges::find_if(
        demands, [&](const Demand& demand) { return SamePool(demand, claim, hosts); });
    if (known != demands.end()) {
      Add(claim, *known);
      continue;
    }
    demands.push_back({.pool = claim.pool,
                       .first_rank = claim.rank,
                       .ranks = 1,
                       .need = claim.need,
                       .otherwise = claim.otherwise});
  }
  return demands;
}

std::string Remedies(const Demand& demand) {
  std::string text;
  for (const auto& [name, bytes] : demand.otherwise)
    if (bytes < demand.need.total())
      text += fmt::format("--dtype {} needs {}, ", name, Size(bytes));
  text += "--tp over more hosts or devices divides the weights";
  if (demand.need.cache > 0.0) text += ", engine.cache_tokens says how much cache there is";
  return text + ", engine.memory_check off tries it all the same";
}

std::string Describe(const Demand& demand, const HostMap& hosts) {
  const MemoryNeed& need = demand.need;
  const std::string who = demand.ranks == 1 ? fmt::format("rank {}", demand.first_rank)
                                            : fmt::format("{} ranks", demand.ranks);
  std::string parts = fmt::format("weights {}, KV cache {}", Size(need.weights), Size(need.cache));
  parts += fmt::format(", buffers {}", Size(need.activations + need.staging));
  return fmt::format("{} on {} {} {} ({}), {} are free in {}; {}", who,
                     hosts.name(demand.first_rank), demand.ranks == 1 ? "needs" : "need",
                     Size(need.total()), parts, Size(demand.pool.free_bytes), demand.pool.name,
                     Remedies(demand));
}

Json ToJson(const MemoryClaim& claim) {
  Json otherwise = Json::array();
  for (const auto& [name, bytes] : claim.otherwise) otherwise.push_back({name, bytes});
  return {
      {"id", claim.pool.id},
      {"name", claim.pool.name},
      {"free", claim.pool.free_bytes},
      {"need", {claim.need.weights, claim.need.cache, claim.need.activations, claim.need.staging}},
      {"otherwise", std::move(otherwise)}};
}

MemoryClaim FromJson(const Json& json) {
  MemoryClaim claim{
      .pool = {.id = json.at("id"), .name = json.at("name"), .free_bytes = json.at("free")},
      .need = {.weights = json.at("need").at(0),
               .cache = json.at("need").at(1),
               .activations = json.at("need").at(2),
               .staging = json.at("need").at(3)},
      .otherwise = {},
      .rank = 0};
  for (const Json& one : json.at("otherwise")) claim.otherwise.emplace_back(one.at(0), one.at(1));
  return claim;
}

// The claims of all ranks, on every rank.
std::vector<MemoryClaim> Exchange(ControlPlane& world, const std::vector<MemoryClaim>& mine) {
  Json list = Json::array();
  for (const MemoryClaim& claim : mine) list.push_back(ToJson(claim));
  const std::string text = list.dump(-1, ' ', false, Json::error_handler_t::replace);
  const auto answers = world.AllGather(std::as_bytes(std::span(text)));
  std::vector<MemoryClaim> all;
  for (int rank = 0; rank < world.size(); ++rank) {
    const auto& bytes = answers[static_cast<std::size_t>(rank)];
    const auto* first = reinterpret_cast<const char*>(bytes.data());
    for (const Json& one : Json::parse(first, first + bytes.size())) {
      all.push_back(FromJson(one));
      all.back().rank = rank;
    }
  }
  return all;
}

}  // namespace

std::string WhyTooLittleMemory(const std::vector<MemoryClaim>& claims, const HostMap& hosts) {
  std::optional<Demand> worst;
  const auto missing = [](const Demand& demand) {
    return demand.need.total() - demand.pool.free_bytes;
  };
  for (Demand& demand : DemandsOf(claims, hosts))
    if (!demand.Fits() && (!worst || missing(demand) > missing(*worst))) worst = std::move(demand);
  return worst ? Describe(*worst, hosts) : "";
}

void CheckMemory(ControlPlane& world, const std::vector<MemoryClaim>& mine) {
  const std::string why = WhyTooLittleMemory(Exchange(world, mine), world.hosts());
  Agree(world, "looking for memory", [&] {
    if (!why.empty()) throw EnvironmentError("{}", why);
  });
}

double ShareOfMemory(ControlPlane& world, const std::vector<MemoryPool>& pools) {
  std::vector<MemoryClaim> mine;
  for (const MemoryPool& pool : pools)
    mine.push_back({.pool = pool, .need = {}, .otherwise = {}, .rank = world.rank()});
  const std::vector<Demand> demands = DemandsOf(Exchange(world, mine), world.hosts());
  double share = std::numeric_limits<double>::infinity();
  for (const MemoryClaim& claim : mine)
    for (const Demand& demand : demands)
      if (SamePool(demand, claim, world.hosts()))
        share = std::min(share, demand.pool.free_bytes / demand.ranks);
  return share;
}

}  // namespace lockstep
