// A request gets the same tokens and the same probabilities, to the last bit, as when it is alone:
// whatever shares its steps, however its prompt is cut, whether pages are found in the prefix
// cache or were taken away in between.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <optional>
#include <random>
#include <utility>

#include "comm/self_communicator.h"
#include "engine/engine.h"
#include "tests/support/golden/golden_model.h"
#include "tests/support/golden/varied_requests.h"
#include "tests/support/message_of.h"

namespace lockstep {
namespace {

constexpr RequestRoom kRoom{.context = 64, .vocab = 89};

class SameBits : public testing::Test {
 protected:
  Reports Alone(std::int64_t count) {
    return RunAlone(model_.decoder(), self_, {.count = count, .ending = 3, .hidden_layer = 3},
                    kRoom);
  }

  SelfCommunicator self_;
  GoldenModel model_{SourceFolder() / "tests/golden/cases/neox_saved_single",
                     self_,
                     {.cache_pages = 2 * KvCache::PagesFor(kRoom.context) + 1}};
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
                     .end_tokens = {3},
                     .hidden_layer = 3});
      Reports together = RunTogether(engine, kRequests, kRoom);
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

// A run that was broken off behind any of its tokens, and another that goes on there.
TEST_F(SameBits, WhereverARunIsBrokenOffAndResumed) {
  constexpr std::int64_t kRequests = 40;
  const Reports alone = Alone(kRequests);
  const EngineOptions options{
      .max_sequences = 5, .max_step_tokens = 40, .end_tokens = {3}, .hidden_layer = 3};
  std::int64_t resumed = 0;
  for (std::int64_t id = 0; id < kRequests; ++id) {
    Request request = VariedRequest(id, kRoom);
    if (!request.generates()) continue;
    std::string before;
    for (bool ended = false; !ended; ended = before == alone.at(id)) {
      Engine engine(model_.decoder(), self_, options);
      engine.Submit(request);
      std::string report = before;
      std::optional<std::int32_t> first;
      while (!engine.idle())
        for (const TokenEvent& event : engine.Step()) {
          Report(event, report);
          if (first) continue;
          first = event.token;
          before = report;
        }
      ASSERT_EQ(report, alone.at(id)) << id << " behind " << request.reached.size();
      request.reached.push_back(*first);
      request.prompt_logprobs.reset();  // they came with the first token
      ++resumed;
    }
  }
  EXPECT_GT(resumed, 3 * kRequests);
}

TEST_F(SameBits, RefusesToGoOnFromWhatNoRunCanHaveReached) {
  Engine engine(model_.decoder(), self_, {});
  Request request{.id = 1, .prompt = {5, 6}, .reached = {89, 1000}};
  EXPECT_THAT(MessageOf([&] { engine.Submit(request); }),
              testing::StartsWith("the text to go on from holds token id 1000; expected 0 to"));
  request.reached = {7, 8};
  request.sampling.max_new_tokens = 2;
  EXPECT_THAT(MessageOf([&] { engine.Submit(request); }),
              "the text to go on from has 2 tokens, of which at most 2 are wanted");
  EXPECT_TRUE(engine.idle());
}

// Whether anybody waits while later ones are served.
class Fairness {
 public:
  // In the order in which the scheduler is to take them.
  void Submitted(const Request& request) {
    if (request.only_scores() && request.prompt.size() == 1) return;  // there is nothing to compute
    const auto place = static_cast<std::int64_t>(queue_keys_.size());
    const QueueKey key{place + request.priority * Scheduler::kTurnsPerPriority, place};
    queue_keys_[request.id] = key;
    waiting_[key] = 0;
  }
  void Reported(const TokenEvent& event) {
    const auto found = queue_keys_.find(event.request);
    if (found == queue_keys_.end()) return;
    const QueueKey key = found->second;
    waiting_.erase(key);
    if (event.finish == FinishReason::kNone) return;
    for (auto one = waiting_.begin(); one != waiting_.end() && one->first < key; ++one)
      most_ = std::max(most_, ++one->second);
  }
  void Cancelled(std::int64_t id) {
    if (const auto found = queue_keys_.find(id); found != queue_keys_.end())
      waiting_.erase(found->second);
  }

  // The most that were served to their end before the first token of someone of an earlier key.
  std::int64_t most_overtaken() const { return most_; }

 private:
  using QueueKey = std::pair<std::int64_t, std::int64_t>;
  std::map<std::int64_t, QueueKey> queue_keys_;
  std::map<QueueKey, std::int64_t> waiting_;
  std::int64_t most_ = 0;
};

TEST_F(SameBits, TenThousandRequestsAndRandomCancellationsLoseNothing) {
  constexpr std::int64_t kRequests = 10'000, kKinds = 100;
  const Reports alone = Alone(kKinds);
  Engine engine(
      model_.decoder(), self_,
      {.max_sequences = 12, .max_step_tokens = 128, .end_tokens = {3}, .hidden_layer = 3});
  Fairness fairness;
  for (std::int64_t id = 0; id < kRequests; ++id) {
    Request request = VariedRequest(id % kKinds, kRoom);
    request.id = id;
    fairness.Submitted(request);
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
      fairness.Reported(event);
      if (event.finish == FinishReason::kNone) continue;
      ASSERT_EQ(open[event.request], alone.at(event.request % kKinds)) << event.request;
      open.erase(event.request);
      ended[static_cast<std::size_t>(event.request)] = 1;
      ++finished;
    }
    const auto victim = static_cast<std::int64_t>(random() % kRequests);
    if (std::exchange(ended[static_cast<std::size_t>(victim)], 1) == 0) {
      engine.Cancel(victim);
      fairness.Cancelled(victim);
      open.erase(victim);
      ++cancelled;
    }
  }
  EXPECT_EQ(finished + cancelled, kRequests);
  EXPECT_GT(cancelled, 1000);
  EXPECT_TRUE(open.empty());
  EXPECT_EQ(engine.status().pages_used, 0);
  EXPECT_GT(engine.status().counts.preemptions, 100);
  EXPECT_LE(fairness.most_overtaken(), 24) << "twice as many as run together";
}

}  // namespace
}  // namespace lockstep
