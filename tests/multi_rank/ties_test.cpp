// Equal logits that lie in the vocabulary slices of different ranks: what is chosen among them does
// not depend on how many ranks there are.
#include <gmock/gmock.h>

#include <set>
#include <vector>

#include "engine/engine.h"
#include "tests/multi_rank/multi_rank.h"
#include "tests/support/chosen_logits.h"
#include "tests/support/golden/golden_model.h"

namespace lockstep::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::Pair;

class Ties : public MultiRank {
 protected:
  // 23 tokens. The likeliest are 4, 11 and 20, all alike; 7 and 15 come next, the others are
  // next to impossible.
  Ties() : logits_(23, -200.0f) {
    for (const std::size_t token : {4u, 11u, 20u}) logits_[token] = 3.0f;
    for (const std::size_t token : {7u, 15u}) logits_[token] = 1.0f;
  }

  // Runs the requests on all ranks; what became of them on rank 0, in their order.
  std::vector<TokenEvent> Run(std::vector<Request> requests) {
    const TemporaryFolder folder;
    WriteModelOfLogits(folder.path(), logits_);
    GoldenModel model(folder.path(), comm(), {});
    std::vector<TokenEvent> events(requests.size());
    if (rank() != 0) {
      RunWorker(model.decoder(), comm());
      return events;
    }
    Engine engine(model.decoder(), comm(), {});
    for (std::size_t i = 0; i < requests.size(); ++i) {
      requests[i].id = static_cast<std::int64_t>(i);
      requests[i].prompt = {1, 2, 3};
      requests[i].sampling.max_new_tokens = 1;
      requests[i].sampling.stream = i;
      engine.Submit(requests[i]);
    }
    while (!engine.idle())
      for (TokenEvent& event : engine.Step())
        events[static_cast<std::size_t>(event.request)] = std::move(event);
    engine.Shutdown();
    return events;
  }

  // The tokens that these settings choose in 200 draws.
  std::set<std::int32_t> Drawn(SamplingParams params) {
    params.temperature = 1.0;
    std::set<std::int32_t> tokens;
    for (const TokenEvent& event :
         Run(std::vector<Request>(200, {.prompt = {}, .sampling = params})))
      tokens.insert(event.token);
    return tokens;
  }

  std::vector<float> logits_;
};

TEST_F(Ties, TheLowestIsTheLikeliest) {
  Request plain{.prompt = {}};
  Request described{.prompt = {}, .logprobs = 4, .prompt_logprobs = 1};
  Request banned{.prompt = {}, .sampling = {.banned_tokens = {4}}};
  const auto events = Run({plain, described, banned});
  if (rank() != 0) return;
  EXPECT_EQ(events[0].token, 4);
  EXPECT_EQ(events[1].token, 4);
  EXPECT_EQ(events[1].logprob->top, 4);
  ASSERT_EQ(events[1].logprob->likeliest.size(), 4u);
  const float most = events[1].logprob->logprob;
  EXPECT_THAT(events[1].logprob->likeliest,
              ElementsAre(Pair(4, most), Pair(11, most), Pair(20, most),
                          Pair(7, ::testing::FloatNear(most - 2.0f, 1e-6f))));
  for (const TokenLogprob& one : events[1].prompt_logprobs) {
    EXPECT_EQ(one.top, 4);
    EXPECT_THAT(one.likeliest, ElementsAre(Pair(4, most)));
  }
  EXPECT_EQ(events[2].token, 11);
}

TEST_F(Ties, TopKKeepsWhatEqualsTheLast) {
  for (const std::int64_t top_k : {1, 2, 3}) {
    const auto drawn = Drawn({.top_k = top_k});
    if (rank() == 0) {
      EXPECT_THAT(drawn, ElementsAre(4, 11, 20)) << top_k;
    }
  }
  const auto drawn = Drawn({.top_k = 4});
  if (rank() != 0) return;
  EXPECT_THAT(drawn, ElementsAre(4, 7, 11, 15, 20));
}

// As transformers: what stands behind the tokens that reach it together is left out.
TEST_F(Ties, TopPEndsWithTheTokenThatReachesIt) {
  logits_.assign(23, -200.0f);
  for (const std::size_t token : {2u, 9u, 15u, 22u}) logits_[token] = 3.0f;
  for (const auto& [top_p, expected] :
       {std::pair{0.25, std::set{2}}, {0.5, std::set{2, 9}}, {0.51, std::set{2, 9, 15}}}) {
    const auto drawn = Drawn({.top_p = top_p});
    if (rank() == 0) {
      EXPECT_EQ(drawn, expected) << top_p;
    }
  }
}

TEST_F(Ties, MinPKeepsWhatEqualsIt) {
  const auto drawn = Drawn({.min_p = 1.0});
  if (rank() != 0) return;
  EXPECT_THAT(drawn, ElementsAre(4, 11, 20));
}

}  // namespace
}  // namespace lockstep::testing
