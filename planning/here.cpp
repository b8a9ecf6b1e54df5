#include "planning/here.h"

#include <limits>

#include "layers/kv_cache.h"
#include "runtime/memory/memory_need.h"

namespace lockstep {

FitHere FitsHere(const HereQuestion& question, const std::vector<MemoryPool>& pools) {
  const ShardPlan plan(question.spec, static_cast<int>(question.layout.tp),
                       static_cast<int>(question.layout.pp));
  const RankLoad load{.plan = plan,
                      .format = question.layout.format,
                      .cache_dtype = question.layout.cache_dtype,
                      .activations = DType::kF32,
                      .cache_pages = KvCache::PagesFor(question.cache_tokens),
                      .step = StepLimitsOf({.max_sequences = question.limits.max_sequences,
                                            .max_step_tokens = question.limits.step_tokens(false),
                                            .context_tokens = question.spec.context_tokens,
                                            .vocab_rows = question.spec.vocab_rows})};
  FitHere here{.need = 0.0, .free = std::numeric_limits<double>::infinity(), .pool = {}};
  for (int rank = 0; rank < plan.rank_count(); ++rank) here.need += NeedOf(load, rank).total();
  here.need *= static_cast<double>(question.layout.dp);
  for (const MemoryPool& pool : pools) {
    // A limit of a process holds for each rank by itself.
    const std::int64_t times = pool.id == MemoryPool::kOwn ? question.layout.ranks() : 1;
    const double free = static_cast<double>(times) * pool.free_bytes;
    if (free >= here.free) continue;
    here.free = free;
    here.pool = pool.name;
  }
  return here;
}

}  // namespace lockstep
