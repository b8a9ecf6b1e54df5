#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "bench/bench_cases.h"
#include "runtime/options/commands/bench_options.h"

namespace lockstep {

// What `lockstep bench` says: numbers in, text out.

// Something that bounds the speed, as measured between the rounds; all ranks together.
struct Ceiling {
  std::string name;  // "read bandwidth", "bf16 (AVX-512)"
  std::string unit;  // "GB/s", "Gop/s"; an operation is a multiplication or an addition
  std::vector<double> samples;
};

struct CeilingShare {
  std::string ceiling;          // its name
  std::vector<double> samples;  // 0.93 is 93 %, one for each round
};

struct CaseReport {
  BenchCase what;
  std::vector<double> tokens_per_second;  // one for each round
  StepCost cost;                          // of one round, all ranks
  std::int64_t tokens = 0;                // of one round
  std::vector<CeilingShare> shares;
};

struct BenchReport {
  BenchKind kind = BenchKind::kDecode;
  std::string model;
  std::string weights;  // "checkpoint" or "random"
  std::string dtype;
  int ranks = 1;
  int stages = 1;   // of a pipeline, that they are cut into
  int threads = 1;  // of each rank
  std::vector<Ceiling> ceilings;
  std::vector<CaseReport> cases;
  std::vector<double> weight_bytes;                                 // per rank
  std::vector<double> peak_memory_bytes;                            // per rank
  nlohmann::ordered_json about = nlohmann::ordered_json::object();  // AboutResult()
};

// All-reduces of one size: ours, MPI's own in the same rounds, and ours as a step has them: values
// just written, caches full of weights, and without waiting for others where the transport tells it
// apart.
struct CommCase {
  std::int64_t bytes = 0;
  std::vector<double> lockstep_us;  // one for each round
  std::vector<double> mpi_us;
  std::vector<double> in_step_us;
};

struct CommReport {
  int ranks = 1;
  bool spins = true;  // a rank that waits keeps its core busy: there are enough for all
  std::vector<CommCase> cases;
  nlohmann::ordered_json about = nlohmann::ordered_json::object();  // AboutResult()
};

std::string CommJson(const CommReport& report);
std::string CommText(const CommReport& report);

// The middle of the values and their range. Of an even number the mean of the middle two.
struct Spread {
  double median = 0.0;
  double least = 0.0;
  double most = 0.0;
};
Spread SpreadOf(std::vector<double> values);

// A figure as `bench compare` looks for it: median, min, max and the rounds.
nlohmann::ordered_json FigureJson(const std::vector<double>& rounds);

// "1 rank", "2 ranks".
std::string Counted(std::int64_t count, std::string_view one);
// "2 ranks", "4 ranks in 2 stages".
std::string RanksText(std::int64_t ranks, std::int64_t stages);

// The stages of a pipeline in results; one stage is not written, as in results from before there
// were any.
inline constexpr const char* kStagesField = "pipeline_stages";

// One JSON object with a line end. Scripts rely on its fields: they may become more, never fewer.
std::string BenchJson(const BenchReport& report);

// The same for people.
std::string BenchText(const BenchReport& report);

}  // namespace lockstep
