#include "launcher/nearest.h"

#include <algorithm>
#include <limits>

namespace lockstep {
namespace {

// Longer names are hostile input, not typing mistakes: their tail adds nothing but time.
constexpr std::size_t kMaxNameBytes = 64;

std::string_view LastPart(std::string_view name) {
  const auto dot = name.rfind('.');
  return dot == std::string_view::npos ? name : name.substr(dot + 1);
}

std::size_t CommonPrefix(std::string_view a, std::string_view b) {
  const std::size_t shorter = std::min(a.size(), b.size());
  std::size_t length = 0;
  while (length < shorter && a[length] == b[length]) ++length;
  return length;
}

}  // namespace

std::size_t EditDistance(std::string_view a, std::string_view b) {
  a = a.substr(0, kMaxNameBytes);
  b = b.substr(0, kMaxNameBytes);
  std::vector<std::vector<std::size_t>> rows(a.size() + 1, std::vector<std::size_t>(b.size() + 1));
  for (std::size_t i = 0; i <= a.size(); ++i) {
    for (std::size_t j = 0; j <= b.size(); ++j) {
      if (i == 0 || j == 0) {
        rows[i][j] = i + j;
        continue;
      }
      const std::size_t changed = rows[i - 1][j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      rows[i][j] = std::min({rows[i - 1][j] + 1, rows[i][j - 1] + 1, changed});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        rows[i][j] = std::min(rows[i][j], rows[i - 2][j - 2] + 1);
    }
  }
  return rows[a.size()][b.size()];
}

std::string NearestName(std::string_view name, const std::vector<std::string>& candidates) {
  if (candidates.empty()) return "";
  std::string nearest = candidates.front();
  std::size_t least = std::numeric_limits<std::size_t>::max();
  std::size_t longest_prefix = 0;
  for (const std::string& candidate : candidates) {
    // One more than a match of the whole name, so that an equal whole name wins.
    const std::size_t by_part = EditDistance(LastPart(name), LastPart(candidate)) + 1;
    const std::size_t distance = std::min(EditDistance(name, candidate), by_part);
    const std::size_t prefix = CommonPrefix(name, candidate);
    if (distance > least || (distance == least && prefix <= longest_prefix)) continue;
    least = distance;
    longest_prefix = prefix;
    nearest = candidate;
  }
  return nearest;
}

}  // namespace lockstep
