#pragma once

#include <cstdint>
#include <optional>
#include <span>

namespace lockstep {

// Means and standard errors by the formulas of lm-evaluation-harness. The values are not empty;
// one value alone has no error.

double Mean(std::span<const double> values);
std::optional<double> MeanError(std::span<const double> values);

// exp(-mean) of log-likelihoods.
double PerplexityOf(std::span<const double> loglikelihoods);

constexpr std::int64_t kBootstrapRounds = 100'000;

// The standard deviation of the perplexities of so many samples of the values with replacement. A
// thousand samples each are drawn from a random stream of their own, so that the result does not
// depend on the number of threads.
std::optional<double> PerplexityError(std::span<const double> loglikelihoods,
                                      std::int64_t rounds = kBootstrapRounds);

}  // namespace lockstep
