#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace lockstep {

// A token that may be chosen, with its logit.
struct Candidate {
  std::int32_t token = 0;
  float logit = 0.0f;

  bool operator==(const Candidate&) const = default;
};

// The order of all lists of candidates: the largest logit first, equals by id.
bool IsLikelier(const Candidate& a, const Candidate& b);

// The `count` likeliest of a part of a row whose ids start at first_token, and those that are as
// likely as the last of them; sorted. All when there are not that many. NaN counts as -infinity.
std::vector<Candidate> Likeliest(std::span<const float> logits, std::int64_t count,
                                 std::int32_t first_token);

// The same of a row whose parts have been reduced already.
std::vector<Candidate> MergeTopLogits(std::vector<Candidate> candidates, std::int64_t count);

}  // namespace lockstep
