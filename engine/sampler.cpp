#include "engine/sampler.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "core/error.h"
#include "engine/random.h"

namespace lockstep {
namespace {

struct Weighted {
  std::int32_t token;
  double weight;  // the probability over that of the likeliest
};

// Likeliest first; equals by id, so that the order never depends on the sort.
bool Before(const Weighted& a, const Weighted& b) {
  return a.weight != b.weight ? a.weight > b.weight : a.token < b.token;
}

// A distribution, likeliest tokens first, sorted only as far as it is read: of 50,000 tokens a
// choice mostly sees a few dozen.
class Distribution {
 public:
  explicit Distribution(std::vector<Weighted> tokens) : tokens_(std::move(tokens)) {
    for (const Weighted& one : tokens_) sum_ += one.weight;
  }

  std::size_t size() const { return tokens_.size(); }
  double sum() const { return sum_; }

  const Weighted& at(std::size_t index) {
    if (index >= sorted_) {
      const std::size_t end = std::min(size(), std::max<std::size_t>(64, 4 * index));
      const auto begin = tokens_.begin();
      std::partial_sort(begin + static_cast<std::ptrdiff_t>(sorted_),
                        begin + static_cast<std::ptrdiff_t>(end), tokens_.end(), Before);
      sorted_ = end;
    }
    return tokens_[index];
  }

 private:
  std::vector<Weighted> tokens_;
  std::size_t sorted_ = 0;
  double sum_ = 0.0;
};

void KeepTopK(std::vector<Candidate>& candidates, std::int64_t top_k) {
  if (top_k <= 0 || static_cast<std::size_t>(top_k) >= candidates.size()) return;
  const auto kth = candidates.begin() + top_k - 1;
  std::nth_element(candidates.begin(), kth, candidates.end(), IsLikelier);
  const float least = kth->logit;
  std::erase_if(candidates, [&](const Candidate& one) { return one.logit < least; });
}

Distribution Distribute(std::vector<Candidate> candidates, const SamplingParams& params) {
  LOCKSTEP_CHECK(!candidates.empty() && params.temperature > 0.0, "{} candidates, temperature {}",
                 candidates.size(), params.temperature);
  KeepTopK(candidates, params.top_k);
  const auto first = std::min_element(candidates.begin(), candidates.end(), IsLikelier);
  const double largest = static_cast<double>(first->logit) / params.temperature;
  std::vector<Weighted> tokens;
  tokens.reserve(candidates.size());
  for (const Candidate& one : candidates)
    tokens.push_back(
        {one.token, std::exp(static_cast<double>(one.logit) / params.temperature - largest)});
  return Distribution(std::move(tokens));
}

// How many of the likeliest tokens top-p and min-p leave, and their weight together.
struct Kept {
  std::size_t count = 0;
  double weight = 0.0;
};

Kept KeepLikely(Distribution& distribution, const SamplingParams& params) {
  if (params.top_p >= 1.0 && params.min_p <= 0.0) return {distribution.size(), distribution.sum()};
  const double enough = params.top_p < 1.0 ? params.top_p * distribution.sum()
                                           : std::numeric_limits<double>::infinity();
  Kept kept;
  while (kept.count < distribution.size() && kept.weight < enough) {
    const double weight = distribution.at(kept.count).weight;
    if (kept.count > 0 && weight < params.min_p) break;  // the likeliest one's weight is 1
    kept.weight += weight;
    ++kept.count;
  }
  return kept;
}

}  // namespace

std::vector<Candidate> Possible(std::span<const float> logits) {
  std::vector<Candidate> candidates;
  candidates.reserve(logits.size());
  for (std::size_t id = 0; id < logits.size(); ++id)
    if (logits[id] > -std::numeric_limits<float>::infinity())
      candidates.push_back({static_cast<std::int32_t>(id), logits[id]});
  return candidates;
}

std::int32_t SampleToken(std::vector<Candidate> candidates, const SamplingParams& params,
                         std::int64_t position) {
  Distribution distribution = Distribute(std::move(candidates), params);
  const Kept kept = KeepLikely(distribution, params);
  double left =
      kept.weight * UniformAt(params.seed, params.stream, static_cast<std::uint64_t>(position));
  for (std::size_t i = 0; i + 1 < kept.count; ++i) {
    left -= distribution.at(i).weight;
    if (left < 0.0) return distribution.at(i).token;
  }
  return distribution.at(kept.count - 1).token;  // or rounding ate the last crumb
}

std::vector<Choice> Choices(std::vector<Candidate> candidates, const SamplingParams& params) {
  Distribution distribution = Distribute(std::move(candidates), params);
  const Kept kept = KeepLikely(distribution, params);
  std::vector<Choice> choices;
  for (std::size_t i = 0; i < kept.count; ++i)
    choices.push_back({distribution.at(i).token, distribution.at(i).weight / kept.weight});
  return choices;
}

}  // namespace lockstep
