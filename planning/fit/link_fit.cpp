#include "planning/fit/link_fit.h"

#include <algorithm>
#include <bit>

namespace lockstep {
namespace {

LinkLevel InnermostLink(const Machine& machine, const std::vector<ReducePoint>& reduces) {
  std::int64_t ranks = 1;
  for (const ReducePoint& one : reduces) ranks = std::max(ranks, one.ranks);
  return ShareOf(machine, {.tp = ranks}).hops.front().level;
}

}  // namespace

Machine WithLinksOf(const std::vector<ReducePoint>& reduces, Machine machine) {
  // t = rounds x latency + moved / bandwidth, each equation divided by its t: A x = 1.
  double aa = 0.0, ab = 0.0, bb = 0.0, a1 = 0.0, b1 = 0.0;
  for (const ReducePoint& one : reduces) {
    if (one.ranks < 2) continue;
    const auto n = static_cast<double>(one.ranks);
    const auto rounds =
        static_cast<double>(std::bit_width(static_cast<std::uint64_t>(one.ranks - 1)));
    const double a = rounds / one.seconds;
    const double b = 2.0 * (n - 1.0) / n * one.bytes / one.seconds;
    aa += a * a;
    ab += a * b;
    bb += b * b;
    a1 += a;
    b1 += b;
  }
  const double determinant = aa * bb - ab * ab;
  if (!(determinant > 1e-9 * aa * bb)) return machine;
  const double latency = (a1 * bb - b1 * ab) / determinant;
  const double per_byte = (aa * b1 - ab * a1) / determinant;
  // Neither can be negative: what noise makes so is taken as nearly nothing.
  machine.link(InnermostLink(machine, reduces)) =
      Link{.latency = std::max(latency, 1e-9), .bandwidth = 1.0 / std::max(per_byte, 1e-12)};
  return machine;
}

}  // namespace lockstep
