#include "planning/prediction.h"

#include <algorithm>

#include "core/error.h"
#include "layers/kv_cache.h"
#include "runtime/memory/cache_size.h"

namespace lockstep {
namespace {

void CheckWorkload(const PlanQuestion& question) {
  const TextLoad& workload = question.workload;
  if (workload.tokens_of_text() <= question.spec.context_tokens) return;
  throw BadInput(
      "plan: {} prompt tokens and {} new ones are past the model's context of {}; lower "
      "--prompt-tokens or --new-tokens",
      workload.prompt_tokens, workload.new_tokens, question.spec.context_tokens);
}

// Of the first rank of the stage that has most to hold.
MemoryNeed LargestNeed(const RankLoad& load) {
  MemoryNeed largest = NeedOf(load, 0);
  for (int rank = 0; rank < load.plan.rank_count(); rank += load.plan.tensor_ranks()) {
    const MemoryNeed need = NeedOf(load, rank);
    if (need.total() > largest.total()) largest = need;
  }
  return largest;
}

MemoryForecast MemoryOf(const PlanQuestion& question, const StepModel& model,
                        const Prediction& prediction) {
  const bool gpu = question.machine.kind == MachineKind::kGpu;
  const Layout& layout = prediction.layout;
  const std::int64_t text_pages = KvCache::PagesFor(question.workload.tokens_of_text());
  EngineLimits limits = question.limits;
  limits.max_sequences = std::max(limits.max_sequences, prediction.texts_per_copy);
  RankLoad load{.plan = model.plan(),
                .format = layout.format,
                .cache_dtype = layout.cache_dtype,
                .activations = gpu ? DType::kBF16 : DType::kF32,
                .cache_pages = prediction.texts_per_copy * text_pages,
                .step = StepLimitsOf({.max_sequences = limits.max_sequences,
                                      .max_step_tokens = question.step_tokens(),
                                      .context_tokens = question.spec.context_tokens,
                                      .vocab_rows = question.spec.vocab_rows})};
  const CachePlace place = gpu ? CachePlace::kDevice : CachePlace::kHost;
  MemoryForecast memory;
  memory.need = LargestNeed(load);
  if (gpu) memory.need.staging = 0.0;  // on the host
  memory.available = prediction.share.memory_bytes;
  const double page_bytes = memory.need.cache / static_cast<double>(load.cache_pages);
  const double beside = memory.need.weights + memory.need.activations;
  const std::int64_t pages = FittingPages({.free_bytes = memory.available - beside,
                                           .fraction = MemoryFraction(place, limits),
                                           .page_bytes = page_bytes,
                                           .least = 0,
                                           .most = MostPages(place, limits, question.spec)});
  memory.room_tokens = pages * KvCache::kPageTokens;
  memory.room_texts = layout.dp * (pages / text_pages);
  memory.fits = memory.need.total() <= memory.available && pages >= load.cache_pages;
  return memory;
}

TimeForecast TimesOf(const StepModel& model, const GroupLoad& load, const RankRates& rates) {
  GroupLoad one = load;
  one.texts = 1;
  return {.prompt = TimeOf(PromptSteps(model, one), rates),
          .prompts = TimeOf(PromptSteps(model, load), rates),
          .decode = TimeOf(DecodeSteps(model, load), rates),
          .decode_steps = static_cast<double>(load.new_tokens - 1)};
}

}  // namespace

Prediction Predict(const PlanQuestion& question, const Layout& layout) {
  CheckWorkload(question);
  const StepModel model(question.spec, layout);
  Prediction prediction{.layout = layout,
                        .workload = question.workload,
                        .share = {},
                        .memory = {},
                        .time = {},
                        .best = {}};
  prediction.texts_per_copy = (question.workload.texts + layout.dp - 1) / layout.dp;
  const RankRates rates = RatesOf(question.machine, layout);
  prediction.share = rates.share;
  prediction.memory = MemoryOf(question, model, prediction);
  const GroupLoad load{.texts = prediction.texts_per_copy,
                       .prompt_tokens = question.workload.prompt_tokens,
                       .new_tokens = question.workload.new_tokens,
                       .max_step_tokens = question.step_tokens()};
  prediction.time = TimesOf(model, load, rates);
  prediction.best = TimesOf(model, load, RatesOf(WithoutLosses(question.machine), layout));
  return prediction;
}

Layout WithUsualCache(Layout layout) {
  layout.cache_dtype = TableDType(layout.format);
  return layout;
}

}  // namespace lockstep
