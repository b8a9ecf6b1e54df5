#include "planning/time/layout.h"

#include <algorithm>
#include <bit>

#include "core/error.h"

namespace lockstep {
namespace {

std::int64_t CeilDivide(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

void CheckFormat(const Machine& machine, WeightFormat format) {
  if (Computes(machine.kind, format)) return;
  const bool gpu = machine.kind == MachineKind::kGpu;
  throw BadInput("plan: {} on {}: {}", Name(format), machine.title,
                 gpu ? "GPUs compute in bf16, fp16 or int8; use --dtype bf16"
                     : "only GPUs compute in fp16; use --dtype bf16");
}

void AddHop(RankShare& share, const Machine& machine, LinkLevel level, std::int64_t participants) {
  if (participants <= 1) return;
  const std::optional<Link>& link = machine.link(level);
  LOCKSTEP_CHECK(link.has_value(), "{} has no link {}", machine.title, static_cast<int>(level));
  share.hops.push_back({level, *link, participants});
}

// On how many places, of so many ranks each, the copy is that is on most of them.
std::int64_t MostPlaces(const Layout& layout, std::int64_t ranks_of_place) {
  std::int64_t most = 1;
  // After so many the places repeat.
  const std::int64_t copies = std::min(layout.dp, ranks_of_place);
  for (std::int64_t first = 0; first < copies * layout.tp; first += layout.tp) {
    const std::int64_t last = first + layout.tp - 1;
    most = std::max(most, last / ranks_of_place - first / ranks_of_place + 1);
  }
  return most;
}

// The cores' aggregate is divided evenly: all ranks read at the same time.
double HostBandwidth(const Machine& machine, const RankShare& share) {
  const std::int64_t sockets = share.units > machine.cores
                                   ? machine.sockets
                                   : std::min(machine.sockets, share.ranks_per_node);
  const auto ranks = static_cast<double>(share.ranks_per_node);
  const double of_cores = static_cast<double>(share.units) * machine.unit_bandwidth;
  return std::min(of_cores, static_cast<double>(sockets) * machine.bandwidth / ranks);
}

}  // namespace

RankShare ShareOf(const Machine& machine, const Layout& layout) {
  CheckFormat(machine, layout.format);
  const std::int64_t ranks = layout.ranks();
  const std::int64_t per_node = machine.units_per_node();
  RankShare share;
  const bool gpu = machine.kind == MachineKind::kGpu;
  if (!gpu)
    share.units = layout.threads > 0 ? layout.threads : std::max<std::int64_t>(1, per_node / ranks);
  if (share.units > per_node)
    throw BadInput("plan: a rank of {} on {}, whose nodes have {}; lower --threads",
                   UnitsOf(machine, share.units), machine.title, per_node);
  const std::int64_t room = per_node / share.units;  // ranks
  share.nodes = CeilDivide(ranks, room);
  if (share.nodes > machine.nodes)
    throw BadInput(
        "plan: {} ranks of {} on {}: there is room for {}; lower --tp, --dp or --threads", ranks,
        UnitsOf(machine, share.units), machine.title, room * machine.nodes);
  share.ranks_per_node = std::min(ranks, room);
  const auto on_node = static_cast<double>(share.ranks_per_node);
  share.bandwidth = gpu ? machine.bandwidth : HostBandwidth(machine, share);
  share.memory_bytes = gpu ? machine.memory_bytes
                           : static_cast<double>(machine.sockets) * machine.memory_bytes / on_node;

  const std::int64_t within = std::min(layout.tp, share.ranks_per_node);
  if (gpu) {
    AddHop(share, machine, LinkLevel::kNvlink, within);
  } else {
    const std::int64_t sockets = std::min(machine.sockets, share.ranks_per_node);
    const std::int64_t of_socket = CeilDivide(share.ranks_per_node, sockets);
    AddHop(share, machine, LinkLevel::kCores, std::min(within, of_socket));
    AddHop(share, machine, LinkLevel::kSockets, std::min(sockets, MostPlaces(layout, of_socket)));
  }
  AddHop(share, machine, LinkLevel::kNetwork, MostPlaces(layout, room));
  return share;
}

double ReduceSeconds(const RankShare& share, double bytes) {
  double seconds = 0.0;
  for (const Hop& hop : share.hops) {
    const auto n = static_cast<double>(hop.participants);
    const auto rounds =
        static_cast<double>(std::bit_width(static_cast<std::uint64_t>(hop.participants - 1)));
    seconds += rounds * hop.link.latency + 2.0 * (n - 1.0) / n * bytes / hop.link.bandwidth;
  }
  return seconds;
}

}  // namespace lockstep
