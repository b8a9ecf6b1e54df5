#include "planning/report/quantities.h"

#include <fmt/format.h>

#include <cmath>

namespace lockstep {
namespace {

// Three digits, and no fewer before the point than there are.
std::string ThreeDigits(double value) {
  const double size = std::abs(value);
  return fmt::format("{:.{}f}", value, size < 9.995 ? 2 : size < 99.95 ? 1 : 0);
}

}  // namespace

std::string SecondsText(double seconds) {
  if (seconds < 0.9995e-3) return ThreeDigits(1e6 * seconds) + " us";
  if (seconds < 0.9995) return ThreeDigits(1e3 * seconds) + " ms";
  return ThreeDigits(seconds) + " s";
}

std::string GibText(double bytes) {
  return fmt::format("{:.2f}", bytes / (1024.0 * 1024.0 * 1024.0));
}

std::string GroupedText(std::int64_t n) {
  const std::string digits = fmt::format("{}", n);
  std::string grouped;
  for (std::size_t i = 0; i < digits.size(); ++i) {
    if (i > 0 && (digits.size() - i) % 3 == 0 && digits[i - 1] != '-') grouped += ',';
    grouped += digits[i];
  }
  return grouped;
}

std::string RateText(double per_second) {
  if (per_second < 999.5) return ThreeDigits(per_second);
  return GroupedText(std::llround(per_second));
}

std::string OffText(double share) { return fmt::format("{:+.1f} %", 100.0 * share); }

}  // namespace lockstep
