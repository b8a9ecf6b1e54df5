#include "runtime/memory/memory_need.h"

#include <algorithm>
#include <system_error>

#include "core/numbers/float8.h"
#include "engine/scheduling/scheduler.h"
#include "layers/kv_cache.h"

namespace lockstep {
namespace {

double Product(std::initializer_list<std::int64_t> factors) {
  double product = 1.0;
  for (const std::int64_t factor : factors) product *= static_cast<double>(factor);
  return product;
}

double Bytes(DType dtype) { return static_cast<double>(SizeOf(dtype)); }

double CacheBytes(const RankLoad& load, const RankSlices& slices) {
  const ModelSpec& spec = load.plan.spec();
  return Product({2, slices.blocks.size(), slices.local_heads(), load.cache_pages,
                  KvCache::kPageTokens, KvCache::BytesPerHead(spec.d_head(), load.cache_dtype)});
}

// Of fp8, what the widest product rounds its inputs to: heads and feed-forward columns are two
// parts of one, each with leaves of its own.
double RoundedInputBytes(const RankLoad& load, const RankSlices& slices, std::int64_t tokens) {
  if (load.format != WeightFormat::kF8) return 0.0;
  const ModelSpec& spec = load.plan.spec();
  const std::int64_t widest =
      std::max(spec.d_model, slices.local_heads() * spec.d_head() + slices.ffn_columns.size());
  return Product({tokens, Fp8RowBytes(widest, 2 * ShardPlan::kLeaves)});
}

// As Decoder keeps them.
double ActivationBytes(const RankLoad& load, const RankSlices& slices) {
  const ModelSpec& spec = load.plan.spec();
  // A text that does not fit into the cache is not computed at once either.
  const std::int64_t tokens = std::min(load.step.tokens, load.cache_pages * KvCache::kPageTokens);
  // Behind the last stage of a pipeline there are logits, elsewhere none.
  const bool makes_logits = slices.blocks.end == spec.layer_count;
  const std::int64_t rows = makes_logits ? std::min(load.step.logit_rows, tokens) : 0;
  const std::int64_t norms = spec.parallel_residual ? 2 : 1;
  const std::int64_t attention = 4 * slices.local_heads() * spec.d_head();
  const std::int64_t of_backend = norms * spec.d_model + attention + slices.ffn_columns.size();
  return Bytes(DType::kF32) *
             (Product({2, tokens, spec.d_model}) + Product({rows, slices.vocab_rows.size()})) +
         Bytes(load.activations) * Product({tokens, of_backend}) +
         RoundedInputBytes(load, slices, tokens);
}

// The embedding and the head are larger, but read first, when there is nothing beside them.
double StagingBytes(const RankLoad& load, const RankSlices& slices) {
  const ModelSpec& spec = load.plan.spec();
  const std::int64_t attention = slices.local_heads() * spec.d_head();
  const std::int64_t widest = std::max(3 * attention, attention + slices.ffn_columns.size());
  return Bytes(SourceDType(load.format)) * Product({spec.d_model, widest});
}

}  // namespace

MemoryNeed& MemoryNeed::operator+=(const MemoryNeed& other) {
  weights += other.weights;
  cache += other.cache;
  activations += other.activations;
  staging += other.staging;
  return *this;
}

MemoryNeed NeedOf(const RankLoad& load, int rank) {
  const RankSlices slices = load.plan.Slices(rank);
  return {.weights = static_cast<double>(WeightBytes(CountParameters(slices), load.format)),
          .cache = CacheBytes(load, slices),
          .activations = ActivationBytes(load, slices),
          .staging = StagingBytes(load, slices)};
}

StepLimits StepLimitsOf(const EngineShape& engine) {
  const std::int64_t tokens = engine.max_step_tokens;
  const std::int64_t sequences = std::min(engine.max_sequences, tokens);
  return {.tokens = tokens,
          .logit_rows = std::min(tokens, sequences + MaxLogitTokens(engine.vocab_rows)),
          .sequences = sequences,
          .positions = engine.context_tokens};
}

double MappedBytes(const std::filesystem::path& folder) {
  double bytes = 0.0;
  std::error_code ignored;
  for (const char* extension : {".safetensors", ".bin"}) {
    for (const auto& entry : std::filesystem::directory_iterator(folder, ignored))
      if (entry.path().extension() == extension && entry.is_regular_file(ignored))
        bytes += static_cast<double>(entry.file_size(ignored));
    if (bytes > 0.0) return bytes;
  }
  return bytes;
}

}  // namespace lockstep
