#include "bench/bench_cases.h"

#include <algorithm>
#include <chrono>

#include "core/error.h"
#include "layers/kv_cache.h"

namespace lockstep {
namespace {

using Clock = std::chrono::steady_clock;

double SecondsSince(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

std::int64_t StepsOfPrompts(const BenchCase& one, std::int64_t max_step_tokens) {
  return (one.sequences * one.prompt_tokens + max_step_tokens - 1) / max_step_tokens;
}

// While the last prompts are read the first sequences are decoded already, so that they get
// longer than the others: at most by a token per step, and prompts share steps with them.
std::int64_t LongestOf(const BenchCase& one, std::int64_t max_step_tokens) {
  if (one.new_tokens == 0) return one.prompt_tokens + 1;
  return one.prompt_tokens + 2 * StepsOfPrompts(one, max_step_tokens) + one.new_tokens + 1;
}

std::vector<std::int32_t> PromptOf(const CaseRun& run, std::int64_t sequence) {
  std::vector<std::int32_t> tokens;
  std::uint64_t state = run.seed * 0x9E3779B97F4A7C15u + static_cast<std::uint64_t>(sequence);
  for (std::int64_t i = 0; i < run.what.prompt_tokens; ++i) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    tokens.push_back(
        static_cast<std::int32_t>((state >> 33) % static_cast<std::uint64_t>(run.vocab_rows)));
  }
  return tokens;
}

// One case on its way through an engine. A request's id is its sequence's index.
class Run {
 public:
  Run(Engine& engine, const CaseRun& run)
      : engine_(engine), run_(run), generated_(static_cast<std::size_t>(run.what.sequences)) {
    const std::int64_t longest = LongestOf(run.what, run.max_step_tokens);
    SamplingParams sampling = run.sampling;
    sampling.max_new_tokens = longest - run.what.prompt_tokens;
    sampling.ignore_eos = true;
    for (std::int64_t i = 0; i < run.what.sequences; ++i) {
      sampling.stream = static_cast<std::uint64_t>(i);
      engine.Submit({.id = i, .prompt = PromptOf(run, i), .sampling = sampling});
    }
  }

  CaseSample Prompts() {
    const auto start = Clock::now();
    const std::int64_t steps = ReadPrompts();
    CaseSample sample{.seconds = SecondsSince(start),
                      .tokens = run_.what.sequences * run_.what.prompt_tokens,
                      .steps = steps,
                      .work = {}};
    for (std::int64_t step = 0; step < steps; ++step)
      sample.work.push_back(PromptShare(step, steps));
    return sample;
  }

  CaseSample Tokens() {
    ReadPrompts();
    return Generate();
  }

  WholeSample Whole() {
    CaseSample prompts = Prompts();
    return {.prompts = std::move(prompts), .tokens = Generate()};
  }

 private:
  CaseSample Generate() {
    CaseSample sample;
    const auto start = Clock::now();
    for (; sample.steps < run_.what.new_tokens * run_.stages; ++sample.steps) {
      std::vector<StepTokens>& work = sample.work.emplace_back();
      for (const TokenEvent& event : engine_.Step()) work.push_back(Count(event));
      sample.tokens += static_cast<std::int64_t>(work.size());
    }
    sample.seconds = SecondsSince(start);
    for (std::int64_t i = 0; i < run_.what.sequences; ++i) engine_.Cancel(i);
    return sample;
  }

  // Steps until every sequence has its first token. Returns how many it took.
  std::int64_t ReadPrompts() {
    std::int64_t steps = 0;
    for (std::int64_t waiting = run_.what.sequences; waiting > 0; ++steps)
      for (const TokenEvent& event : engine_.Step())
        if (Count(event).start < run_.what.prompt_tokens) --waiting;
    return steps;
  }

  // The step that gave this token, as far as it was for this sequence.
  StepTokens Count(const TokenEvent& event) {
    const std::int64_t before = generated_[static_cast<std::size_t>(event.request)]++;
    return {.new_tokens = 1, .start = run_.what.prompt_tokens + before - 1, .logit_rows = 1};
  }

  // What all prompts together are to one of the steps, as if each step took an equal part.
  std::vector<StepTokens> PromptShare(std::int64_t step, std::int64_t steps) const {
    const std::int64_t all = run_.what.prompt_tokens;
    const std::int64_t begin = all * step / steps;
    const std::int64_t end = all * (step + 1) / steps;
    const StepTokens part{
        .new_tokens = end - begin, .start = begin, .logit_rows = step + 1 == steps ? 1 : 0};
    return std::vector<StepTokens>(static_cast<std::size_t>(run_.what.sequences), part);
  }

  Engine& engine_;
  const CaseRun& run_;
  std::vector<std::int64_t> generated_;
};

}  // namespace

std::vector<BenchCase> CasesOf(const BenchOptions& bench, std::int64_t context_tokens) {
  constexpr std::int64_t kUsual = 512;
  std::vector<std::int64_t> lengths = bench.prompt_tokens;
  if (lengths.empty()) lengths = {std::max<std::int64_t>(1, std::min(kUsual, context_tokens / 2))};
  std::vector<BenchCase> cases;
  for (const std::int64_t prompt_tokens : lengths)
    for (const std::int64_t sequences : bench.batch_sizes)
      cases.push_back({sequences, prompt_tokens, bench.new_tokens});
  return cases;
}

std::int64_t CachePagesOf(const BenchCase& one, std::int64_t max_step_tokens) {
  return one.sequences * KvCache::PagesFor(LongestOf(one, max_step_tokens));
}

void CheckCases(const std::vector<BenchCase>& cases, std::int64_t max_step_tokens,
                const ModelSpec& spec) {
  for (const BenchCase& one : cases) {
    const std::int64_t longest = LongestOf(one, max_step_tokens);
    if (longest > spec.context_tokens)
      throw BadInput(
          "bench: {} prompt tokens and what is generated come to {} tokens, past the model's "
          "context of {}; lower --prompt-tokens or --new-tokens",
          one.prompt_tokens, longest, spec.context_tokens);
  }
}

CaseSample RunCase(Engine& engine, const CaseRun& run) {
  Run one(engine, run);
  return run.what.new_tokens == 0 ? one.Prompts() : one.Tokens();
}

WholeSample RunWholeCase(Engine& engine, const CaseRun& run) { return Run(engine, run).Whole(); }

}  // namespace lockstep
