#include "layers/rows/top_logits.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <queue>

namespace lockstep {
namespace {

// The count-th largest value. One comparison per element once the largest have been seen.
float Threshold(std::span<const float> logits, std::int64_t count) {
  std::priority_queue<float, std::vector<float>, std::greater<>> largest;
  for (const float logit : logits) {
    if (static_cast<std::int64_t>(largest.size()) == count) {
      if (!(logit > largest.top())) continue;
      largest.pop();
    }
    largest.push(std::isnan(logit) ? -std::numeric_limits<float>::infinity() : logit);
  }
  return largest.top();
}

}  // namespace

bool IsLikelier(const Candidate& a, const Candidate& b) {
  return a.logit != b.logit ? a.logit > b.logit : a.token < b.token;
}

std::vector<Candidate> Likeliest(std::span<const float> logits, std::int64_t count,
                                 std::int32_t first_token) {
  std::vector<Candidate> candidates;
  if (logits.empty() || count <= 0) return candidates;
  const float least = Threshold(logits, count);
  for (std::size_t i = 0; i < logits.size(); ++i) {
    const float logit = std::isnan(logits[i]) ? -std::numeric_limits<float>::infinity() : logits[i];
    if (logit >= least) candidates.push_back({first_token + static_cast<std::int32_t>(i), logit});
  }
  std::sort(candidates.begin(), candidates.end(), IsLikelier);
  return candidates;
}

std::vector<Candidate> MergeTopLogits(std::vector<Candidate> candidates, std::int64_t count) {
  std::sort(candidates.begin(), candidates.end(), IsLikelier);
  const auto size = static_cast<std::size_t>(std::max<std::int64_t>(count, 0));
  if (size == 0) return {};
  if (candidates.size() <= size) return candidates;
  const float least = candidates[size - 1].logit;
  std::erase_if(candidates, [&](const Candidate& one) { return one.logit < least; });
  return candidates;
}

}  // namespace lockstep
