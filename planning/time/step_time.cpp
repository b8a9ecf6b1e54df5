#include "planning/time/step_time.h"

#include <algorithm>
#include <array>

#include "core/error.h"
#include "layers/kv_cache.h"

namespace lockstep {
namespace {

// What attention multiplies keys and values as: narrower ones are widened to this.
WeightFormat AttentionFormat(DType cache_dtype, MachineKind kind) {
  if (kind == MachineKind::kCpu && cache_dtype == DType::kF32) return WeightFormat::kF32;
  return WeightFormat::kBF16;
}

// Of a token, in all blocks of a stage.
double ActivationBytes(const ModelSpec& spec, const RankSlices& slices) {
  constexpr double kWrittenAndRead = 2.0 * sizeof(float);
  const std::int64_t norms = spec.parallel_residual ? 2 : 1;
  const std::int64_t elements = (2 + norms) * spec.d_model +
                                4 * slices.local_heads() * spec.d_head() +
                                slices.ffn_columns.size();
  return kWrittenAndRead * static_cast<double>(slices.blocks.size() * elements);
}

}  // namespace

StepModel::StepModel(const ModelSpec& spec, const Layout& layout)
    : plan_(spec, static_cast<int>(layout.tp), static_cast<int>(layout.pp)),
      bytes_(ElementBytesOf(layout.format, layout.cache_dtype, spec.d_head())) {
  for (int stage = 0; stage < plan_.stage_count(); ++stage)
    stages_.push_back(plan_.Slices(stage * plan_.tensor_ranks()));
}

StepWork StepModel::WorkOf(std::span<const StepTokens> sequences, int stage) const {
  const RankSlices& slices = stages_.at(static_cast<std::size_t>(stage));
  const StepCost cost = CostOfStep(plan_.spec(), slices, bytes_, sequences);
  double tokens = 0.0;
  for (const StepTokens& sequence : sequences) tokens += static_cast<double>(sequence.new_tokens);
  StepWork work;
  work.weight_bytes = cost.weight_bytes;
  work.cache_bytes = cost.cache_bytes;
  work.product_operations = 2.0 * (cost.multiply_adds - cost.attention_multiply_adds);
  work.attention_operations = 2.0 * cost.attention_multiply_adds;
  work.activation_bytes = tokens * ActivationBytes(plan_.spec(), slices);
  work.blocks = static_cast<double>(slices.blocks.size());
  if (plan_.tensor_ranks() > 1)
    work.reduces = static_cast<double>(plan_.all_reduces_of_stage(stage));
  work.reduce_bytes = sizeof(float) * tokens * static_cast<double>(plan_.spec().d_model);
  if (stage + 1 < stage_count()) work.given_bytes = work.reduce_bytes;
  return work;
}

ElementBytes ElementBytesOf(WeightFormat format, DType cache_dtype, std::int64_t d_head) {
  constexpr std::int64_t kElements = 1 << 20;
  return {.matrices = static_cast<double>(MatrixBytes(format, kElements)) / kElements,
          .cache = static_cast<double>(KvCache::BytesPerHead(d_head, cache_dtype)) /
                   static_cast<double>(d_head)};
}

StepTime& StepTime::operator+=(const StepTime& other) {
  weights += other.weights;
  cache += other.cache;
  products += other.products;
  attention += other.attention;
  activations += other.activations;
  sums += other.sums;
  overhead += other.overhead;
  return *this;
}

StepTime StepTime::operator*(double factor) const {
  return {.weights = factor * weights,
          .cache = factor * cache,
          .products = factor * products,
          .attention = factor * attention,
          .activations = factor * activations,
          .sums = factor * sums,
          .overhead = factor * overhead};
}

RankRates RatesOf(const Machine& machine, const Layout& layout) {
  RankRates rates;
  rates.share = ShareOf(machine, layout);
  const Efficiency& efficiency = machine.efficiency;
  const double bandwidth = rates.share.bandwidth;
  const auto units = static_cast<double>(rates.share.units);
  const WeightFormat attention = AttentionFormat(layout.cache_dtype, machine.kind);
  rates.weights = efficiency.weights[layout.format] * bandwidth;
  rates.cache = efficiency.cache * bandwidth;
  rates.activations = efficiency.activations * bandwidth;
  rates.products = efficiency.products[layout.format] * units * machine.arithmetic[layout.format];
  rates.attention = efficiency.attention * units * machine.arithmetic[attention];
  rates.overlap = efficiency.overlap;
  rates.overhead = machine.overhead;
  return rates;
}

StepTime TimeOf(const StepWork& work, const RankRates& rates) {
  StepTime time;
  time.weights = work.weight_bytes / rates.weights;
  time.products = work.product_operations / rates.products;
  (time.weights < time.products ? time.weights : time.products) *= 1.0 - rates.overlap;
  time.cache = work.cache_bytes / rates.cache;
  time.attention = work.attention_operations / rates.attention;
  time.activations = work.activation_bytes / rates.activations;
  time.sums = work.reduces * ReduceSeconds(rates.share, work.reduce_bytes) +
              2.0 * MessageSeconds(rates.share);
  time.overhead = work.blocks * rates.overhead.block + rates.overhead.step;
  return time;
}

StepTime TimeOf(std::span<const std::optional<StepWork>> stages, const RankRates& rates) {
  StepTime slowest;
  double given = 0.0;
  for (const std::optional<StepWork>& work : stages) {
    if (!work) continue;
    const StepTime time = TimeOf(*work, rates);
    if (time.total() > slowest.total()) slowest = time;
    if (work->given_bytes > 0.0)
      given = std::max(given, TransferSeconds(rates.share, work->given_bytes));
  }
  slowest.sums += (stages.size() > 2 ? 2.0 : 1.0) * given;
  return slowest;
}

Limit LimitOf(const StepTime& time) {
  const std::array parts = {time.weights + time.cache, time.products + time.attention, time.sums,
                            time.overhead + time.activations};
  return static_cast<Limit>(std::ranges::max_element(parts) - parts.begin());
}

std::string_view Name(Limit limit) {
  switch (limit) {
    case Limit::kMemory: return "memory bandwidth";
    case Limit::kArithmetic: return "arithmetic";
    case Limit::kSums: return "all-reduces";
    case Limit::kOverhead: return "overhead";
  }
  LOCKSTEP_CHECK(false, "limit {}", static_cast<int>(limit));
  return "";
}

}  // namespace lockstep
