#include "runtime/progress/load_progress.h"

#include <fmt/format.h>

#include <utility>

#include "runtime/progress/duration_text.h"

namespace lockstep {

std::string LoadText(double bytes, double share, double bytes_per_second) {
  const bool large = bytes >= 1e9;
  const double unit = large ? 1e9 : 1e6;
  const char* name = large ? "GB" : "MB";
  const int digits = large ? 1 : 0;
  std::string text = fmt::format("loading {:.{}f} of {:.{}f} {}", bytes * share / unit, digits,
                                 bytes / unit, digits, name);
  if (bytes_per_second <= 0.0) return text;
  text += fmt::format(", {:.{}f} {}/s", bytes_per_second / unit, digits, name);
  if (share >= 1.0) return text;
  return text + fmt::format(", {} left", DurationText(bytes * (1.0 - share) / bytes_per_second));
}

LoadingLine::LoadingLine(ProgressOutput output, double bytes)
    : line_(std::move(output)), bytes_(bytes), start_(std::chrono::steady_clock::now()) {
  rate_.Add(0.0, 0.0);
}

void LoadingLine::Note(std::int64_t done, std::int64_t all) {
  const double share = static_cast<double>(done) / static_cast<double>(all);
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start_;
  rate_.Add(took.count(), bytes_ * share);
  line_.Show([&] { return LoadText(bytes_, share, rate_.per_second()); });
  if (done == all) line_.Clear();
}

}  // namespace lockstep
