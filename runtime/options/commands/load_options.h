#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace lockstep {

// How long prompts or outputs are, in tokens.
struct LengthDistribution {
  enum class Kind : std::uint8_t { kFixed, kUniform, kLognormal };

  Kind kind = Kind::kFixed;
  std::int64_t first = 1;  // the length; the least one; the median
  std::int64_t last = 1;  // kUniform: the greatest one. kLognormal: lengths beyond it are cut to it
  double sigma = 0.0;     // kLognormal: of the length's natural logarithm
};

// What a request has to keep to count as good; unset: anything will do. In seconds.
struct LatencyTarget {
  std::optional<double> ttft;  // to the first token
  std::optional<double> tpot;  // for each token after it
  std::optional<double> e2el;  // to the last token

  bool is_set() const { return ttft || tpot || e2el; }
};

enum class LoadEndpoint : std::uint8_t { kCompletions, kChat };
enum class PromptForm : std::uint8_t { kTokens, kText };  // as what a server is sent prompts
enum class EosRule : std::uint8_t { kIgnored, kObeyed };
enum class RateSearchMode : std::uint8_t { kOff, kOn };

// What `lockstep bench serve` sends, when, and what it says of it.
struct LoadOptions {
  LoadEndpoint endpoint = LoadEndpoint::kCompletions;
  PromptForm prompt_form = PromptForm::kTokens;
  EosRule eos_rule = EosRule::kIgnored;

  // When: with a rate as requests arrive, whether or not earlier ones have ended; else as soon as
  // one of `concurrency` has ended. Both: as they arrive, but no more than that at a time.
  std::optional<double> rate;  // requests per second; infinity: all at once
  double burstiness = 1.0;     // shape of the gamma distribution of pauses; 1: a Poisson process
  std::optional<std::int64_t> concurrency;
  std::string replay;  // a file of requests and arrival times

  // How many: one of the two, or else so many.
  static constexpr std::int64_t kUsualRequests = 100;
  std::optional<std::int64_t> requests;
  std::optional<double> seconds;  // in which requests are begun

  LengthDistribution prompt_tokens{.first = 128, .last = 128};
  LengthDistribution output_tokens{.first = 64, .last = 64};
  std::int32_t first_id = 300;  // of those that prompts are made of
  std::int32_t last_id = 500;
  std::uint64_t seed = 0;
  std::int64_t warmup = 1;         // requests before those that count
  std::int64_t rounds = 1;         // the whole measurement so often
  double timeout_seconds = 600.0;  // without a word of the server

  LatencyTarget target;
  RateSearchMode rate_search = RateSearchMode::kOff;
  double attainment = 0.99;  // share of the requests that has to meet the target
  std::vector<double> percentiles{50, 90, 95, 99};

  std::string json_file;  // empty: none
  std::string csv_file;
  std::string html_file;
};

enum class SlowerRule : std::uint8_t { kIsTold, kFails };

// What `lockstep bench compare` compares.
struct CompareOptions {
  std::string before;  // files of results
  std::string after;
  SlowerRule slower = SlowerRule::kIsTold;  // kFails: the exit code says so, too
};

}  // namespace lockstep
