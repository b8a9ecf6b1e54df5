#include "engine/sampler.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "core/error.h"
#include "engine/random.h"

namespace lockstep {
namespace {

struct Candidate {
  std::int32_t token;
  double weight;  // first the scaled logit, then its unnormalised probability
};

// Most likely first; equals by id, so that the order never depends on the sort.
bool Before(const Candidate& a, const Candidate& b) {
  return a.weight != b.weight ? a.weight > b.weight : a.token < b.token;
}

std::vector<Candidate> Scaled(std::span<const float> logits, double temperature) {
  std::vector<Candidate> candidates;
  candidates.reserve(logits.size());
  for (std::size_t id = 0; id < logits.size(); ++id)
    candidates.push_back(
        {static_cast<std::int32_t>(id), static_cast<double>(logits[id]) / temperature});
  return candidates;
}

void KeepTopK(std::vector<Candidate>& candidates, std::int64_t top_k) {
  if (top_k <= 0 || static_cast<std::size_t>(top_k) >= candidates.size()) return;
  const auto kth = candidates.begin() + top_k - 1;
  std::nth_element(candidates.begin(), kth, candidates.end(), Before);
  const double least = kth->weight;
  std::erase_if(candidates, [&](const Candidate& one) { return one.weight < least; });
}

double ToProbabilities(std::vector<Candidate>& sorted) {
  const double largest = sorted.front().weight;
  double sum = 0.0;
  for (Candidate& one : sorted) sum += one.weight = std::exp(one.weight - largest);
  return sum;
}

// Cuts the sorted list behind the token that reaches top_p; returns the sum that is left.
double KeepTopP(std::vector<Candidate>& sorted, double sum, double top_p) {
  if (top_p >= 1.0) return sum;
  double reached = 0.0;
  for (std::size_t count = 0; count < sorted.size(); ++count) {
    reached += sorted[count].weight;
    if (reached < top_p * sum) continue;
    sorted.resize(count + 1);
    break;
  }
  return reached;
}

}  // namespace

std::int32_t SampleToken(std::span<const float> logits, const SamplingParams& params,
                         std::int64_t position) {
  LOCKSTEP_CHECK(!logits.empty() && params.temperature > 0.0, "{} logits at temperature {}",
                 logits.size(), params.temperature);
  std::vector<Candidate> candidates = Scaled(logits, params.temperature);
  KeepTopK(candidates, params.top_k);
  std::sort(candidates.begin(), candidates.end(), Before);
  const double all = ToProbabilities(candidates);
  const double kept = KeepTopP(candidates, all, params.top_p);

  double left = kept * UniformAt(params.seed, params.stream, static_cast<std::uint64_t>(position));
  for (const Candidate& one : candidates) {
    left -= one.weight;
    if (left < 0.0) return one.token;
  }
  return candidates.back().token;  // rounding ate the last crumb
}

}  // namespace lockstep
