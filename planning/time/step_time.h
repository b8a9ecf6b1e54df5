#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "partition/plan/step_cost.h"
#include "planning/time/layout.h"

namespace lockstep {

// What a step asks of the rank of a stage that has most to do (its first: its parts are the
// largest).
struct StepWork {
  double weight_bytes = 0.0;
  double cache_bytes = 0.0;
  double product_operations = 0.0;    // with weights
  double attention_operations = 0.0;  // with keys and values
  double activation_bytes = 0.0;      // written by one operation and read by the next
  double blocks = 0.0;
  double reduces = 0.0;
  double reduce_bytes = 0.0;  // of each
  double given_bytes = 0.0;   // to the next stage of a pipeline
};

// The work of steps of a model on so many ranks. The costs are those of partition/plan/step_cost.h.
class StepModel {
 public:
  // Throws BadInput where the model has too few heads for these ranks, or blocks for these stages.
  StepModel(const ModelSpec& spec, const Layout& layout);

  StepWork WorkOf(std::span<const StepTokens> sequences, int stage = 0) const;

  const ShardPlan& plan() const { return plan_; }
  int stage_count() const { return plan_.stage_count(); }

 private:
  ShardPlan plan_;
  std::vector<RankSlices> stages_;  // of the first rank of each
  ElementBytes bytes_;
};

// Bytes per element of the weights and of keys and values.
ElementBytes ElementBytesOf(WeightFormat format, DType cache_dtype, std::int64_t d_head);

// Seconds of a step, by what takes them; they add up. Of reading weights and multiplying them the
// shorter one counts as far as the longer one does not hide it (Efficiency::overlap).
struct StepTime {
  double weights = 0.0;
  double cache = 0.0;
  double products = 0.0;
  double attention = 0.0;
  double activations = 0.0;
  // All-reduces, the step's message and the gathering of its results, and what stages give on.
  double sums = 0.0;
  double overhead = 0.0;

  double total() const {
    return weights + cache + products + attention + activations + sums + overhead;
  }
  StepTime& operator+=(const StepTime& other);
  StepTime operator*(double factor) const;
};

// What a machine does in a second for one rank of a layout.
struct RankRates {
  double weights = 0.0;      // bytes
  double cache = 0.0;        // bytes
  double products = 0.0;     // operations
  double attention = 0.0;    // operations
  double activations = 0.0;  // bytes
  double overlap = 1.0;
  Overhead overhead;
  RankShare share;
};
RankRates RatesOf(const Machine& machine, const Layout& layout);

//   t = max(w, p) + (1 - overlap) min(w, p) + cache + attention + activations
//       + blocks x block + step + reduces x ReduceSeconds(bytes) + 2 MessageSeconds()
// with w = weight bytes / weights and p = operations / products, in seconds. This is the roofline
// model (Williams, Waterman, Patterson 2009) with a term for each other thing that takes time.
StepTime TimeOf(const StepWork& work, const RankRates& rates);

// A step of a pipeline, in which each stage has other work, or none: as long as the slowest of
// them, and then they give on what they have made. Between more than two stages that takes two
// turns.
StepTime TimeOf(std::span<const std::optional<StepWork>> stages, const RankRates& rates);

// What most of the time goes into.
enum class Limit : std::uint8_t { kMemory, kArithmetic, kSums, kOverhead };
Limit LimitOf(const StepTime& time);
std::string_view Name(Limit limit);  // "memory bandwidth", "arithmetic", "all-reduces", "overhead"

}  // namespace lockstep
