#include "runtime/options/words/nearest.h"

#include <algorithm>
#include <array>
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
  // Row i: distances from the first i characters of a to the first j of b. Three rows are alive.
  using Row = std::array<std::size_t, kMaxNameBytes + 1>;
  std::array<Row, 3> rows;
  for (std::size_t i = 0; i <= a.size(); ++i) {
    Row& row = rows[i % 3];
    const Row& above = rows[(i + 2) % 3];
    for (std::size_t j = 0; j <= b.size(); ++j) {
      if (i == 0 || j == 0) {
        row[j] = i + j;
        continue;
      }
      const std::size_t changed = above[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      row[j] = std::min({above[j] + 1, row[j - 1] + 1, changed});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        row[j] = std::min(row[j], rows[(i + 1) % 3][j - 2] + 1);
    }
  }
  return rows[a.size() % 3][b.size()];
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

std::string CloseName(std::string_view name, const std::vector<std::string>& candidates) {
  std::string nearest = NearestName(name, candidates);
  std::string_view bare = LastPart(name);
  bare.remove_prefix(std::min(bare.find_first_not_of('-'), bare.size()));
  const std::size_t distance =
      std::min(EditDistance(name, nearest), EditDistance(LastPart(name), LastPart(nearest)));
  // Of a name of one character nothing is left when that is another one.
  const bool is_close =
      distance <= std::max<std::size_t>(1, bare.size() / 3) && distance < bare.size();
  return is_close ? nearest : "";
}

}  // namespace lockstep
