#include "partition/plan/step_cost.h"

namespace lockstep {
namespace {

struct Totals {
  double tokens = 0.0;
  double logit_rows = 0.0;
  double positions_read = 0.0;  // of the cache
  double scores = 0.0;          // pairs of a new token and a position it attends to
};

Totals TotalsOf(std::span<const StepTokens> sequences) {
  Totals totals;
  for (const StepTokens& sequence : sequences) {
    const auto count = static_cast<double>(sequence.new_tokens);
    const auto start = static_cast<double>(sequence.start);
    totals.tokens += count;
    totals.logit_rows += static_cast<double>(sequence.logit_rows);
    totals.positions_read += count > 0.0 ? start + count : 0.0;
    totals.scores += count * start + count * (count + 1.0) / 2.0;
  }
  return totals;
}

}  // namespace

StepCost& StepCost::operator+=(const StepCost& other) {
  weight_bytes += other.weight_bytes;
  cache_bytes += other.cache_bytes;
  multiply_adds += other.multiply_adds;
  attention_multiply_adds += other.attention_multiply_adds;
  return *this;
}

StepCost CostOfStep(const ModelSpec& spec, const RankSlices& slices, const ElementBytes& bytes,
                    std::span<const StepTokens> sequences) {
  const Totals totals = TotalsOf(sequences);
  if (totals.tokens == 0.0) return {};
  const ParameterCount count = CountParameters(slices);
  double head = 0.0;
  for (const TensorSlice& part : slices.head.weight) head += static_cast<double>(part.elements());
  const double own_head = head - static_cast<double>(count.tied_head);
  const double blocks = static_cast<double>(count.matrices - count.table) - own_head;
  const double read_head = totals.logit_rows > 0.0 ? head : 0.0;
  // Elements of keys, or of values, at one position in all its layers.
  const auto width =
      static_cast<double>(slices.blocks.size() * slices.local_heads() * spec.d_head());
  const double attention = 2.0 * width * totals.scores;
  return {.weight_bytes =
              bytes.matrices * (blocks + read_head) + 4.0 * static_cast<double>(count.vectors),
          .cache_bytes = bytes.cache * 2.0 * width * totals.positions_read,
          .multiply_adds = totals.tokens * blocks + totals.logit_rows * head + attention,
          .attention_multiply_adds = attention};
}

StepCost CostOfStep(const ShardPlan& plan, const ElementBytes& bytes,
                    std::span<const StepTokens> sequences) {
  StepCost cost;
  for (int rank = 0; rank < plan.rank_count(); ++rank)
    cost += CostOfStep(plan.spec(), plan.Slices(rank), bytes, sequences);
  return cost;
}

}  // namespace lockstep
