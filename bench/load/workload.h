#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "runtime/options/commands/load_options.h"

namespace lockstep {

// One request of a load. `tokens` is what is sent where it is not empty, else `text`.
struct LoadRequest {
  std::vector<std::int32_t> tokens = {};
  std::string text = {};
  std::int64_t prompt_tokens = 0;  // as far as is known before a server has counted
  std::int64_t output_tokens = 0;  // that are asked for
};

struct RequestLengths {
  std::int64_t prompt_tokens = 1;
  std::int64_t output_tokens = 1;
};

// The lengths and prompts of a load: a pure function of its options and a request's number, so
// that any load can be had again. No two requests begin alike: no prefix cache can help.
class Workload {
 public:
  explicit Workload(const LoadOptions& options) : options_(options) {}

  // round: those of one round are other ones than those of the next.
  LoadRequest Make(std::int64_t round, std::int64_t index) const;

  // A prompt of a length that somebody else has chosen.
  LoadRequest MakeOf(std::int64_t index, const RequestLengths& lengths) const;

  // In texts: how many tokens a server makes of one word. Measured by the caller.
  void set_tokens_per_word(double tokens) { tokens_per_word_ = tokens; }

 private:
  template <typename Random>
  void FillPrompt(LoadRequest& request, Random& random) const;

  LoadOptions options_;
  double tokens_per_word_ = 1.0;
};

struct ArrivalOptions {
  double rate = 1.0;  // requests per second; infinity: all at once
  double burstiness = 1.0;
  std::int64_t count = 0;
  std::uint64_t seed = 0;
};

// When requests arrive, in seconds from the beginning: the pauses are gamma-distributed with the
// shape `burstiness`, and stretched so that the last one arrives at count / rate, whatever the
// seed.
std::vector<double> ArrivalTimes(const ArrivalOptions& options);

}  // namespace lockstep
