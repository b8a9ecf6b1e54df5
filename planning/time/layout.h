#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "core/numbers/dtype.h"
#include "core/numbers/weight_format.h"
#include "planning/machine/machine.h"

namespace lockstep {

// How a model is spread over a machine.
struct Layout {
  std::int64_t tp = 1;       // ranks that hold a stage of the model together
  std::int64_t pp = 1;       // stages of a copy
  std::int64_t dp = 1;       // copies
  std::int64_t threads = 0;  // cores of each rank; 0: those of a node divided by its ranks
  WeightFormat format = WeightFormat::kBF16;
  DType cache_dtype = DType::kBF16;

  std::int64_t ranks_of_copy() const { return tp * pp; }
  std::int64_t ranks() const { return ranks_of_copy() * dp; }
  bool operator==(const Layout&) const = default;
};

// One level of an all-reduce: so many participants over this link.
struct Hop {
  LinkLevel level = LinkLevel::kCores;
  Link link;
  std::int64_t participants = 1;
};

// What a rank has of the machine while all of them work.
struct RankShare {
  std::int64_t units = 1;           // cores or GPUs of a rank
  std::int64_t nodes = 1;           // that are in use
  std::int64_t ranks_per_node = 1;  // of the fullest node
  double bandwidth = 0.0;           // bytes per second that each rank can read
  double memory_bytes = 0.0;
  std::vector<Hop> hops;      // of the all-reduces of a stage's ranks, the innermost first
  std::vector<Hop> messages;  // of what all ranks of a copy tell each other
  // Of a pipeline: over what a stage gives its activations to the next.
  std::optional<Link> next_stage = {};

  std::int64_t units_in_use(const Layout& layout) const { return units * layout.ranks(); }
};

// Ranks follow each other: a node is filled before the next one is begun, and the ranks of a node
// are spread evenly over its sockets. What a socket reads is divided among the ranks on it, and no
// rank reads more than its cores can. Of the copies, and of their stages, the one counts that is on
// most sockets and nodes: it is the slowest. Throws BadInput where the machine is too small, or
// does not compute in the format, or has GPUs between whose stages nobody has said what is.
RankShare ShareOf(const Machine& machine, const Layout& layout);

// The time of one all-reduce of so many bytes in seconds: at each level, latency for each of the
// log2(participants) rounds, and 2 (n - 1) / n of the bytes over the link.
double ReduceSeconds(const RankShare& share, double bytes);

// The time in which rank 0 of a copy tells something short to all of its ranks, or hears it of
// them.
double MessageSeconds(const RankShare& share);

// The time in which a stage gives so many bytes to the next; 0 where there is none.
double TransferSeconds(const RankShare& share, double bytes);

}  // namespace lockstep
