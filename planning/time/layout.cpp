#include "planning/time/layout.h"

#include <algorithm>
#include <bit>

#include "core/error.h"

namespace lockstep {
namespace {

std::int64_t CeilDivide(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

void CheckFormat(const Machine& machine, WeightFormat format) {
  if (Computes(machine, format)) return;
  const bool gpu = machine.kind == MachineKind::kGpu;
  if (!Computes(machine.kind, format))
    throw BadInput("plan: {} on {}: {}", Name(format), machine.title,
                   gpu ? "GPUs compute in bf16, fp16, fp8, int8 or int4; use --dtype bf16"
                       : fmt::format("only GPUs compute in {}; use --dtype bf16", Name(format)));
  throw BadInput(
      "plan: {0} on {1}: arithmetic.{0} is 0 or not given there; give the rate if its GPUs "
      "multiply "
      "{0}, else use --dtype int8 or bf16",
      Name(format), machine.title);
}

void CheckStages(const Machine& machine, const Layout& layout) {
  if (layout.pp > 1 && machine.kind == MachineKind::kGpu && !machine.link(LinkLevel::kHost))
    throw BadInput(
        "plan: --pp {} on {}: stages pass on their activations through the host's memory, and how "
        "fast that is nobody has said; give links.host.latency_us and links.host.gb_s",
        layout.pp, machine.title);
}

const Link& LinkOf(const Machine& machine, LinkLevel level) {
  const std::optional<Link>& link = machine.link(level);
  LOCKSTEP_CHECK(link.has_value(), "{} has no link {}", machine.title, static_cast<int>(level));
  return *link;
}

void AddHop(std::vector<Hop>& hops, const Machine& machine, LinkLevel level,
            std::int64_t participants) {
  if (participants > 1) hops.push_back({level, LinkOf(machine, level), participants});
}

// Ranks that follow each other in the world, and how many such groups there are.
struct RankGroups {
  std::int64_t ranks = 1;
  std::int64_t count = 1;
};

// On how many places, of so many ranks each, the group is that is on most of them.
std::int64_t MostPlaces(const RankGroups& groups, std::int64_t ranks_of_place) {
  std::int64_t most = 1;
  // After so many the places repeat.
  const std::int64_t count = std::min(groups.count, ranks_of_place);
  for (std::int64_t first = 0; first < count * groups.ranks; first += groups.ranks) {
    const std::int64_t last = first + groups.ranks - 1;
    most = std::max(most, last / ranks_of_place - first / ranks_of_place + 1);
  }
  return most;
}

// How many ranks are on a socket, and have room on a node.
struct Room {
  std::int64_t of_socket = 1;
  std::int64_t of_node = 1;
};

Room RoomOf(const Machine& machine, const RankShare& share, std::int64_t of_node) {
  const std::int64_t sockets = std::min(machine.sockets, share.ranks_per_node);
  return {.of_socket = CeilDivide(share.ranks_per_node, sockets), .of_node = of_node};
}

std::vector<Hop> HopsOf(const Machine& machine, const RankShare& share, const RankGroups& groups,
                        const Room& room) {
  const std::int64_t within = std::min(groups.ranks, share.ranks_per_node);
  std::vector<Hop> hops;
  if (machine.kind == MachineKind::kGpu) {
    AddHop(hops, machine, LinkLevel::kNvlink, within);
  } else {
    AddHop(hops, machine, LinkLevel::kCores, std::min(within, room.of_socket));
    AddHop(hops, machine, LinkLevel::kSockets,
           std::min(std::min(machine.sockets, share.ranks_per_node),
                    MostPlaces(groups, room.of_socket)));
  }
  AddHop(hops, machine, LinkLevel::kNetwork, MostPlaces(groups, room.of_node));
  return hops;
}

bool StagesAreOnNodes(const Layout& layout, const Room& room) {
  for (std::int64_t first = 0; first < layout.ranks(); first += layout.tp)
    if (first / room.of_node != (first + layout.tp - 1) / room.of_node) return false;
  return true;
}

// One way behind the other.
Link Behind(const Link& first, const Link& then) {
  return {.latency = first.latency + then.latency,
          .bandwidth = 1.0 / (1.0 / first.bandwidth + 1.0 / then.bandwidth)};
}

// The slowest link from a rank to that of the same number in the next stage. What all ranks of a
// stage send over a network goes through one card: a slice of each where stages are on one node
// each, else all of it as often as there are ranks. GPUs go through their hosts' memory.
Link NextStageLink(const Machine& machine, const Layout& layout, const Room& room) {
  const bool gpu = machine.kind == MachineKind::kGpu;
  const auto leaves = [&](std::int64_t ranks_of_place) {
    for (std::int64_t rank = 0; rank < layout.ranks(); ++rank) {
      const bool is_last_stage = rank % layout.ranks_of_copy() / layout.tp == layout.pp - 1;
      if (!is_last_stage && rank / ranks_of_place != (rank + layout.tp) / ranks_of_place)
        return true;
    }
    return false;
  };
  if (leaves(room.of_node)) {
    Link network = LinkOf(machine, LinkLevel::kNetwork);
    if (!StagesAreOnNodes(layout, room))
      network.bandwidth /= static_cast<double>(std::min(layout.tp, room.of_node));
    return gpu ? Behind(LinkOf(machine, LinkLevel::kHost), network) : network;
  }
  if (gpu) return LinkOf(machine, LinkLevel::kHost);
  return LinkOf(machine, leaves(room.of_socket) ? LinkLevel::kSockets : LinkLevel::kCores);
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

double SecondsOver(const std::vector<Hop>& hops, double bytes) {
  double seconds = 0.0;
  for (const Hop& hop : hops) {
    const auto n = static_cast<double>(hop.participants);
    const auto rounds =
        static_cast<double>(std::bit_width(static_cast<std::uint64_t>(hop.participants - 1)));
    seconds += rounds * hop.link.latency + 2.0 * (n - 1.0) / n * bytes / hop.link.bandwidth;
  }
  return seconds;
}

}  // namespace

RankShare ShareOf(const Machine& machine, const Layout& layout) {
  CheckFormat(machine, layout.format);
  CheckStages(machine, layout);
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

  const Room places = RoomOf(machine, share, room);
  share.hops = HopsOf(machine, share, {layout.tp, layout.pp * layout.dp}, places);
  share.messages = HopsOf(machine, share, {layout.ranks_of_copy(), layout.dp}, places);
  if (layout.pp > 1) share.next_stage = NextStageLink(machine, layout, places);
  return share;
}

double ReduceSeconds(const RankShare& share, double bytes) {
  return SecondsOver(share.hops, bytes);
}

double MessageSeconds(const RankShare& share) { return SecondsOver(share.messages, 0.0); }

double TransferSeconds(const RankShare& share, double bytes) {
  if (!share.next_stage) return 0.0;
  return share.next_stage->latency + bytes / share.next_stage->bandwidth;
}

}  // namespace lockstep
