#include "runtime/progress/load_progress.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <utility>
#include <vector>

#include "runtime/progress/duration_text.h"

namespace lockstep {

namespace {

double MeanShare(std::span<const double> shares) {
  return std::accumulate(shares.begin(), shares.end(), 0.0) /
         static_cast<double>(std::max<std::size_t>(shares.size(), 1));
}

std::string SlowestText(const std::optional<SlowestHost>& slowest) {
  return slowest ? fmt::format("; slowest: {}, {:.0f} %", slowest->name, 100.0 * slowest->share)
                 : "";
}

}  // namespace

std::optional<SlowestHost> SlowestOf(const HostMap& hosts, std::span<const double> shares) {
  std::optional<SlowestHost> slowest;
  for (int rank = 0; rank < hosts.size(); ++rank) {
    const std::vector<int> ranks = hosts.Neighbours(rank);
    if (std::ssize(ranks) == hosts.size()) return std::nullopt;
    if (ranks.front() != rank) continue;  // its host has had its turn
    std::vector<double> here;
    for (const int one : ranks) here.push_back(shares[static_cast<std::size_t>(one)]);
    const double share = MeanShare(here);
    if (!slowest || share < slowest->share) slowest = {hosts.name(rank), share};
  }
  return slowest;
}

std::string LoadText(double bytes, double share, double bytes_per_second,
                     const std::optional<SlowestHost>& slowest) {
  const bool large = bytes >= 1e9;
  const double unit = large ? 1e9 : 1e6;
  const char* name = large ? "GB" : "MB";
  const int digits = large ? 1 : 0;
  std::string text = fmt::format("loading {:.{}f} of {:.{}f} {}", bytes * share / unit, digits,
                                 bytes / unit, digits, name);
  if (bytes_per_second > 0.0) {
    text += fmt::format(", {:.{}f} {}/s", bytes_per_second / unit, digits, name);
    if (share < 1.0)
      text += fmt::format(", {} left", DurationText(bytes * (1.0 - share) / bytes_per_second));
  }
  return text + SlowestText(slowest);
}

LoadingLine::LoadingLine(ProgressOutput output, double bytes)
    : line_(std::move(output)), bytes_(bytes), start_(std::chrono::steady_clock::now()) {
  rate_.Add(0.0, 0.0);
}

void LoadingLine::Note(std::int64_t done, std::int64_t all) {
  share_ = static_cast<double>(done) / static_cast<double>(all);
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start_;
  rate_.Add(took.count(), bytes_ * share_);
  line_.Show([&] { return LoadText(bytes_, share_, rate_.per_second(), slowest_); });
  if (done == all) line_.Clear();
}

void LoadingLine::NoteRanks(const HostMap& hosts, std::span<const double> shares) {
  slowest_ = SlowestOf(hosts, shares);
  // Until then this rank's own part is the measure, which moves more often.
  if (share_ < 1.0) return;
  const double loaded = MeanShare(shares);
  if (loaded >= 1.0) return line_.Clear();
  line_.Show([&] { return LoadText(bytes_, loaded, 0.0, slowest_); });
}

}  // namespace lockstep
