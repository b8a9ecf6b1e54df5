#include "bench/load/workload.h"

#include <algorithm>
#include <boost/random/gamma_distribution.hpp>
#include <boost/random/lognormal_distribution.hpp>
#include <boost/random/mersenne_twister.hpp>
#include <boost/random/uniform_int_distribution.hpp>
#include <cmath>
#include <numeric>
#include <string_view>

namespace lockstep {
namespace {

// Boost's distributions give the same numbers everywhere; the standard library's do not promise it.
using Random = boost::random::mt19937_64;

// Which sequence of random numbers: of a request's lengths and prompt, or of all arrivals.
constexpr std::uint64_t kOfRequests = 1;
constexpr std::uint64_t kOfArrivals = 2;

// splitmix64's finalizer: numbers that are close together give seeds that are not.
std::uint64_t Mixed(std::uint64_t value) {
  value += 0x9E3779B97F4A7C15u;
  value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9u;
  value = (value ^ (value >> 27)) * 0x94D049BB133111EBu;
  return value ^ (value >> 31);
}

Random RandomOf(std::uint64_t seed, std::int64_t round, std::int64_t index) {
  const std::uint64_t of_round =
      Mixed(Mixed(seed) + kOfRequests) + static_cast<std::uint64_t>(round);
  return Random(Mixed(Mixed(of_round) + static_cast<std::uint64_t>(index)));
}

// Short words that most tokenizers have a token for.
constexpr std::string_view kWords[] = {
    " the",  " of",    " and",   " to",    " in",    " that",  " is",    " was",  " for",   " it",
    " with", " as",    " his",   " on",    " be",    " at",    " by",    " had",  " not",   " are",
    " but",  " from",  " or",    " have",  " an",    " they",  " which", " one",  " you",   " were",
    " her",  " all",   " she",   " there", " would", " their", " we",    " him",  " been",  " has",
    " when", " who",   " will",  " more",  " no",    " if",    " out",   " so",   " said",  " what",
    " up",   " its",   " about", " into",  " than",  " them",  " can",   " only", " other", " new",
    " some", " could", " time",  " these"};

std::int64_t LengthOf(const LengthDistribution& lengths, Random& random) {
  switch (lengths.kind) {
    case LengthDistribution::Kind::kFixed: return lengths.first;
    case LengthDistribution::Kind::kUniform:
      return boost::random::uniform_int_distribution<std::int64_t>(lengths.first,
                                                                   lengths.last)(random);
    case LengthDistribution::Kind::kLognormal: break;
  }
  const double mean = std::log(static_cast<double>(lengths.first));
  const double length = boost::random::lognormal_distribution<>(mean, lengths.sigma)(random);
  return std::clamp<std::int64_t>(std::llround(std::min(length, static_cast<double>(lengths.last))),
                                  1, lengths.last);
}

std::vector<std::int32_t> IdsOf(std::int64_t count, const LoadOptions& options, Random& random) {
  boost::random::uniform_int_distribution<std::int32_t> ids(options.first_id, options.last_id);
  std::vector<std::int32_t> tokens;
  for (std::int64_t i = 0; i < count; ++i) tokens.push_back(ids(random));
  return tokens;
}

std::string TextOf(std::int64_t words, Random& random) {
  boost::random::uniform_int_distribution<std::size_t> which(0, std::size(kWords) - 1);
  std::string text;
  for (std::int64_t i = 0; i < words; ++i) text += kWords[which(random)];
  return text;
}

}  // namespace

LoadRequest Workload::Make(std::int64_t round, std::int64_t index) const {
  Random random = RandomOf(options_.seed, round, index);
  const std::int64_t prompt_tokens = LengthOf(options_.prompt_tokens, random);
  const std::int64_t output_tokens = LengthOf(options_.output_tokens, random);
  LoadRequest request{.prompt_tokens = prompt_tokens, .output_tokens = output_tokens};
  FillPrompt(request, random);
  return request;
}

LoadRequest Workload::MakeOf(std::int64_t index, const RequestLengths& lengths) const {
  Random random = RandomOf(options_.seed, 0, index);
  LoadRequest request{.prompt_tokens = lengths.prompt_tokens,
                      .output_tokens = lengths.output_tokens};
  FillPrompt(request, random);
  return request;
}

template <typename Random>
void Workload::FillPrompt(LoadRequest& request, Random& random) const {
  if (options_.prompt_form == PromptForm::kTokens) {
    request.tokens = IdsOf(request.prompt_tokens, options_, random);
    return;
  }
  const double words = static_cast<double>(request.prompt_tokens) / tokens_per_word_;
  request.text = TextOf(std::max<std::int64_t>(std::llround(words), 1), random);
}

std::vector<double> ArrivalTimes(const ArrivalOptions& options) {
  std::vector<double> times(static_cast<std::size_t>(options.count), 0.0);
  if (times.empty() || std::isinf(options.rate)) return times;
  Random random(Mixed(Mixed(options.seed) + kOfArrivals));
  boost::random::gamma_distribution<> pause(options.burstiness,
                                            1.0 / (options.rate * options.burstiness));
  for (double& time : times) time = std::isinf(options.burstiness) ? 1.0 : pause(random);
  std::partial_sum(times.begin(), times.end(), times.begin());
  const double wanted = static_cast<double>(options.count) / options.rate;
  const double stretch = times.back() > 0.0 ? wanted / times.back() : 0.0;
  for (double& time : times) time *= stretch;
  return times;
}

}  // namespace lockstep
