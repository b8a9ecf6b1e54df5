#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "partition/plan/step_cost.h"
#include "planning/time/layout.h"

namespace lockstep {

// What a step asks of the rank that has most to do (rank 0: its parts are the largest).
struct StepWork {
  double weight_bytes = 0.0;
  double cache_bytes = 0.0;
  double product_operations = 0.0;    // with weights
  double attention_operations = 0.0;  // with keys and values
  double activation_bytes = 0.0;      // written by one operation and read by the next
  double blocks = 0.0;
  double reduces = 0.0;
  double reduce_bytes = 0.0;  // of each
};

// The work of steps of a model on so many ranks. The costs are those of partition/plan/step_cost.h.
class StepModel {
 public:
  // Throws BadInput where the model has too few heads for these ranks.
  StepModel(const ModelSpec& spec, const Layout& layout);

  StepWork WorkOf(std::span<const StepTokens> sequences) const;

  const ShardPlan& plan() const { return plan_; }
  const RankSlices& slices() const { return slices_; }

 private:
  ShardPlan plan_;
  RankSlices slices_;  // of rank 0
  ElementBytes bytes_;
  double activation_bytes_ = 0.0;  // of a token, in all blocks
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
  double sums = 0.0;  // all-reduces, the step's message and the gathering of its results
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
//       + blocks x block + step + reduces x ReduceSeconds(bytes) + 2 ReduceSeconds(0)
// with w = weight bytes / weights and p = operations / products, in seconds. This is the roofline
// model (Williams, Waterman, Patterson 2009) with a term for each other thing that takes time.
StepTime TimeOf(const StepWork& work, const RankRates& rates);

// What most of the time goes into.
enum class Limit : std::uint8_t { kMemory, kArithmetic, kSums, kOverhead };
Limit LimitOf(const StepTime& time);
std::string_view Name(Limit limit);  // "memory bandwidth", "arithmetic", "all-reduces", "overhead"

}  // namespace lockstep
