#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace lockstep {

// Why a request gave no answer that counts.
struct RequestFailure {
  std::string kind;    // by which failures are counted: "status 503", "broken off"
  std::string detail;  // of this one, in one line; may be empty
};

// What became of one request. Times are in seconds; `start` is counted from the beginning of the
// run, the others from `start`. The definitions are those of `vllm bench serve`: an event with a
// choice counts as a token, the last one ends the answer, and what a server says of the usage are
// its tokens.
struct RequestRecord {
  double start = 0.0;
  double ttft = 0.0;            // to the first event
  double latency = 0.0;         // to the last event
  std::vector<float> itl = {};  // between an event and the one before it
  std::int64_t events = 0;      // with a choice
  std::int64_t prompt_tokens = 0;
  std::optional<std::int64_t> output_tokens = {};  // as the server has counted
  std::optional<RequestFailure> failure = {};
  bool is_cancelled = false;  // by this program: it is neither an answer nor a failure
  double retry_after = 0.0;   // what a server that is too busy asks for

  bool is_complete() const { return !failure && !is_cancelled; }
  std::int64_t tokens() const { return output_tokens.value_or(events); }
  // Time for each token after the first; 0 where there is none.
  double tpot() const {
    return tokens() > 1 ? (latency - ttft) / static_cast<double>(tokens() - 1) : 0.0;
  }
};

}  // namespace lockstep
