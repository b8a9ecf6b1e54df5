#pragma once

#include <optional>
#include <string>
#include <vector>

#include "bench/load/load_metrics.h"
#include "bench/load/rate_search.h"
#include "core/json.h"
#include "runtime/options/commands/load_options.h"

namespace lockstep {

// What `lockstep bench serve` says: numbers in, text out.

// One trial of a search.
struct RateTrial {
  double rate = 0.0;
  Trial trial = Trial::kMet;
  LoadSummary summary;
};

struct FoundRate {
  double seconds_alone = 0.0;  // end to end, of a request with no other beside it
  std::vector<RateTrial> trials = {};
  std::optional<double> met = {};
  std::optional<double> missed = {};
  bool is_open = false;
  bool is_interrupted = false;  // the trials are those before
};

struct LoadReport {
  nlohmann::ordered_json about = nlohmann::ordered_json::object();  // where and when it was made
  std::string target;  // "http://127.0.0.1:8000", or "engine in this process"
  std::string model;
  LoadOptions options;
  std::vector<LoadSummary> rounds = {};
  std::optional<FoundRate> search = {};
  bool is_interrupted = false;
};

// For people, in 80 columns.
std::string LoadText(const LoadReport& report);

// One JSON object with a line end. Its rounds have the names of the results of `vllm bench serve`.
// Scripts rely on its fields: they may become more, never fewer.
std::string LoadJson(const LoadReport& report);

// A line of names, and one for each round.
std::string LoadCsv(const LoadReport& report);

}  // namespace lockstep
