#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "comm/groups/hosts.h"
#include "runtime/progress/moving_rate.h"
#include "runtime/progress/progress_line.h"

namespace lockstep {

// Which of several hosts has loaded least of its ranks' parts, and how much of them (0 to 1).
struct SlowestHost {
  std::string name;
  double share = 0.0;
};
// Nothing where all ranks are on one host. shares: of each rank.
std::optional<SlowestHost> SlowestOf(const HostMap& hosts, std::span<const double> shares);

// "loading 1.2 of 3.4 GB, 0.8 GB/s, 3 s left", and of several hosts "; slowest: node2, 31 %".
// bytes: of the weights of all ranks of a group; share: what is loaded of them, 0 to 1;
// bytes_per_second: 0 where it is not known.
std::string LoadText(double bytes, double share, double bytes_per_second,
                     const std::optional<SlowestHost>& slowest = std::nullopt);

// Shows it while one rank loads its part, which on one host is as far as the others, and after that
// until all ranks have theirs.
class LoadingLine {
 public:
  LoadingLine(ProgressOutput output, double bytes);

  // After each layer.
  void Note(std::int64_t done, std::int64_t all);
  // When the ranks have told each other how far they are.
  void NoteRanks(const HostMap& hosts, std::span<const double> shares);
  // What this rank has of its part, 0 to 1.
  double share() const { return share_; }

 private:
  ProgressLine line_;
  double bytes_;
  double share_ = 0.0;
  std::optional<SlowestHost> slowest_;
  MovingRate rate_;
  std::chrono::steady_clock::time_point start_;
};

}  // namespace lockstep
