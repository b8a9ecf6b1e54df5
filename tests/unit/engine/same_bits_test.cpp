// A request gets the same tokens and the same probabilities, to the last bit, as when it is alone:
// whatever shares its steps, however its prompt is cut, whether pages are found in the prefix
// cache or were taken away in between.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <random>

#include "comm/self_communicator.h"
#include "engine/engine.h"
#include "tests/support/golden/golden_model.h"

namespace lockstep {
namespace {

constexpr std::int64_t kContext = 64;

// All that is reported of a request, as text: floats in hexadecimal are equal only when all of
// their bits are.
using Reports = std::map<std::int64_t, std::string>;

std::string Describe(const TokenLogprob& one) {
  std::string text = fmt::format("{}:{:a}", one.token, one.logprob);
  for (const auto& [token, logprob] : one.likeliest)
    text += fmt::format(",{}:{:a}", token, logprob);
  return text + " ";
}

void Report(const TokenEvent& event, std::string& text) {
  for (const TokenLogprob& one : event.prompt_logprobs) text += Describe(one);
  text += fmt::format("[{}] ", event.token);
  if (event.logprob) text += Describe(*event.logprob);
  text += Name(event.finish);
}

// Of every kind, and many with the same beginning.
Request Make(std::int64_t id) {
  std::minstd_rand random(static_cast<unsigned>(id + 1));
  const auto below = [&](std::int64_t limit) {
    return static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(limit));
  };
  Request request{.id = id, .prompt = {}};
  const bool grows = below(4) == 0;  // from a few tokens to many, more than was reckoned with
  const std::int64_t size = 1 + below(grows ? 4 : kContext - 2),
                     common = below(3) == 0 ? 0 : below(size + 1);
  for (std::int64_t i = 0; i < size; ++i)
    request.prompt.push_back(static_cast<std::int32_t>(i < common ? i % 89 : below(89)));
  SamplingParams& params = request.sampling;
  params.max_new_tokens = grows ? 50 : 1 + below(12);
  params.ignore_eos = grows;
  params.temperature = below(2) == 0 ? 0.0 : 0.9;
  params.top_k = below(3) == 0 ? 10 : 0;
  params.stream = static_cast<std::uint64_t>(id);
  if (below(4) == 0) params.repetition_penalty = 1.2;
  if (below(4) == 0) params.min_tokens = below(params.max_new_tokens);
  if (below(2) == 0) request.logprobs = below(4);
  if (below(5) == 0) request.prompt_logprobs = below(3);
  if (request.prompt_logprobs && below(2) == 0) params.max_new_tokens = params.min_tokens = 0;
  request.priority = below(3);
  return request;
}

class SameBits : public testing::Test {
 protected:
  Reports Alone(std::int64_t count) {
    Reports alone;
    for (std::int64_t id = 0; id < count; ++id) {
      Engine engine(model_.decoder(), self_, {.prefix_cache = PrefixCache::kOff, .eos_token = 3});
      engine.Submit(Make(id));
      while (!engine.idle())
        for (const TokenEvent& event : engine.Step()) Report(event, alone[id]);
    }
    return alone;
  }

  SelfCommunicator self_;
  GoldenModel model_{SourceFolder() / "tests/golden/cases/neox_saved_single",
                     self_,
                     {.cache_pages = 2 * KvCache::PagesFor(kContext) + 1}};
};

TEST_F(SameBits, WhateverElseHappensInTheEngine) {
  constexpr std::int64_t kRequests = 60;
  const Reports alone = Alone(kRequests);
  std::int64_t preemptions = 0, hits = 0, hits_without = 0;
  for (const std::int64_t step_tokens : {1, 7, 40, 512})
    for (const PrefixCache prefix_cache : {PrefixCache::kOff, PrefixCache::kOn}) {
      Engine engine(model_.decoder(), self_,
                    {.max_sequences = 5,
                     .max_step_tokens = step_tokens,
                     .prefix_cache = prefix_cache,
                     .eos_token = 3});
      for (std::int64_t id = 0; id < kRequests; ++id) engine.Submit(Make(id));
      Reports together;
      while (!engine.idle())
        for (const TokenEvent& event : engine.Step()) Report(event, together[event.request]);
      for (const auto& [id, report] : alone)
        EXPECT_EQ(together[id], report) << "request " << id << ", " << step_tokens << " tokens";
      EXPECT_EQ(engine.status().pages_used, 0);
      preemptions += engine.status().counts.preemptions;
      (prefix_cache == PrefixCache::kOn ? hits : hits_without) +=
          engine.status().counts.prefix_hits;
    }
  EXPECT_GT(preemptions, 0) << "or the pages were not scarce";
  EXPECT_GT(hits, 0) << "or nothing was shared";
  EXPECT_EQ(hits_without, 0);
}

TEST_F(SameBits, TenThousandRequestsAndRandomCancellationsLoseNothing) {
  constexpr std::int64_t kRequests = 10'000, kKinds = 100;
  const Reports alone = Alone(kKinds);
  Engine engine(model_.decoder(), self_,
                {.max_sequences = 12, .max_step_tokens = 128, .eos_token = 3});
  for (std::int64_t id = 0; id < kRequests; ++id) {
    Request request = Make(id % kKinds);
    request.id = id;
    engine.Submit(request);
  }
  std::minstd_rand random(5);
  std::map<std::int64_t, std::string> open;
  std::int64_t finished = 0, cancelled = 0;
  std::vector<char> ended(kRequests, 0);
  while (!engine.idle()) {
    for (const TokenEvent& event : engine.Step()) {
      ASSERT_FALSE(ended[static_cast<std::size_t>(event.request)]) << event.request;
      Report(event, open[event.request]);
      if (event.finish == FinishReason::kNone) continue;
      ASSERT_EQ(open[event.request], alone.at(event.request % kKinds)) << event.request;
      open.erase(event.request);
      ended[static_cast<std::size_t>(event.request)] = 1;
      ++finished;
    }
    const auto victim = static_cast<std::int64_t>(random() % kRequests);
    if (std::exchange(ended[static_cast<std::size_t>(victim)], 1) == 0) {
      engine.Cancel(victim);
      open.erase(victim);
      ++cancelled;
    }
  }
  EXPECT_EQ(finished + cancelled, kRequests);
  EXPECT_GT(cancelled, 1000);
  EXPECT_TRUE(open.empty());
  EXPECT_EQ(engine.status().pages_used, 0);
  EXPECT_GT(engine.status().counts.preemptions, 100);
}

}  // namespace
}  // namespace lockstep
