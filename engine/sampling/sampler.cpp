#include "engine/sampling/sampler.h"

#include <algorithm>
#include <cmath>

namespace lockstep {
namespace {

void KeepTopK(std::vector<Candidate>& candidates, std::int64_t top_k) {
  if (top_k <= 0 || static_cast<std::size_t>(top_k) >= candidates.size()) return;
  const auto kth = candidates.begin() + top_k - 1;
  std::nth_element(candidates.begin(), kth, candidates.end(), IsLikelier);
  const float least = kth->logit;
  std::erase_if(candidates, [&](const Candidate& one) { return one.logit < least; });
}

}  // namespace

double WeightBeside(const Candidate& one, const Candidate& other, double temperature) {
  return std::exp(static_cast<double>(one.logit) / temperature -
                  static_cast<double>(other.logit) / temperature);
}

std::vector<Candidate> KeepLikely(std::vector<Candidate> candidates, const SamplingParams& params) {
  KeepTopK(candidates, params.top_k);
  if (candidates.empty() || (params.top_p >= 1.0 && params.min_p <= 0.0)) return candidates;
  std::sort(candidates.begin(), candidates.end(), IsLikelier);
  std::vector<double> weights;
  double sum = 0.0;
  for (const Candidate& one : candidates) {
    weights.push_back(WeightBeside(one, candidates.front(), params.temperature));
    sum += weights.back();
  }
  const double enough = params.top_p < 1.0 ? params.top_p * sum : sum + 1.0;
  std::size_t count = 0;
  for (double before = 0.0; count < candidates.size() && before < enough; ++count) {
    if (weights[count] < params.min_p) break;  // the likeliest one's weight is 1
    before += weights[count];
  }
  candidates.resize(std::max<std::size_t>(count, 1));
  return candidates;
}

std::vector<Candidate> InRaceOrder(std::vector<Candidate> candidates, const NoiseKey& key,
                                   double temperature) {
  std::vector<std::pair<double, Candidate>> scored;
  for (const Candidate& one : candidates)
    scored.emplace_back(RaceScore(key, one.token, one.logit, temperature), one);
  std::sort(scored.begin(), scored.end(), [](const auto& a, const auto& b) {
    return a.first != b.first ? a.first > b.first : a.second.token < b.second.token;
  });
  for (std::size_t i = 0; i < scored.size(); ++i) candidates[i] = scored[i].second;
  return candidates;
}

}  // namespace lockstep
