#include "engine/engine.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "comm/self_communicator.h"
#include "engine/step_executor.h"
#include "tests/support/golden/golden_model.h"
#include "tests/support/golden/score_tokens.h"

namespace lockstep {
namespace {

// A tiny model with 301 or so ids and a context of 64 tokens.
class EngineTest : public testing::Test {
 protected:
  std::map<std::int64_t, std::vector<std::int32_t>> RunAll(Engine& engine) {
    std::map<std::int64_t, std::vector<std::int32_t>> tokens;
    while (!engine.idle())
      for (const TokenEvent& event : engine.Step()) {
        tokens[event.request].push_back(event.token);
        if (event.finish != FinishReason::kNone) finish_[event.request] = event.finish;
      }
    return tokens;
  }

  std::string Refusal(Engine& engine, Request request) {
    try {
      engine.Submit(std::move(request));
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ExitCode::kBadInput);
      return error.what();
    }
    return "accepted";
  }

  SelfCommunicator self_;
  GoldenModel model_{SourceFolder() / "tests/golden/cases/neox_saved_single", self_, {}};
  std::map<std::int64_t, FinishReason> finish_;
};

Request Make(std::int64_t id, std::size_t prompt, std::int64_t max_new, double temperature = 0.0) {
  Request request{.id = id, .prompt = {}, .sampling = {.max_new_tokens = max_new}};
  request.sampling.temperature = temperature;
  request.sampling.stream = static_cast<std::uint64_t>(id);
  for (std::size_t i = 0; i < prompt; ++i)
    request.prompt.push_back(
        static_cast<std::int32_t>((7 * i + static_cast<std::size_t>(id)) % 90));
  return request;
}

TEST_F(EngineTest, EndsAtTheLengthAndAtTheContext) {
  Engine engine(model_.decoder(), self_, {});
  engine.Submit(Make(1, 3, 5));
  engine.Submit(Make(2, 60, 100));
  const auto tokens = RunAll(engine);
  EXPECT_EQ(tokens.at(1).size(), 5u);
  EXPECT_EQ(tokens.at(2).size(), 4u);
  EXPECT_EQ(finish_.at(2), FinishReason::kLength);
}

TEST_F(EngineTest, EndsAtTheEndTokenUnlessToldToIgnoreIt) {
  Engine plain(model_.decoder(), self_, {});
  plain.Submit(Make(1, 6, 12));
  const auto tokens = RunAll(plain).at(1);
  Engine engine(model_.decoder(), self_, {.end_tokens = {tokens[4]}});
  engine.Submit(Make(1, 6, 12));
  Request ignoring = Make(2, 6, 12);
  ignoring.prompt = Make(1, 6, 12).prompt;
  ignoring.sampling.ignore_eos = true;
  engine.Submit(ignoring);
  const auto found = RunAll(engine);
  const auto first = std::find(tokens.begin(), tokens.end(), tokens[4]);
  EXPECT_EQ(found.at(1), std::vector<std::int32_t>(tokens.begin(), first + 1));
  EXPECT_EQ(finish_.at(1), FinishReason::kEos);
  EXPECT_EQ(found.at(2), tokens);
}

TEST_F(EngineTest, EndsAtEachOfSeveralEndTokens) {
  Engine plain(model_.decoder(), self_, {});
  plain.Submit(Make(1, 6, 12));
  const auto tokens = RunAll(plain).at(1);
  const auto ending = tokens[4];
  const auto first = std::find(tokens.begin(), tokens.end(), ending);
  const std::vector<std::int32_t> until(tokens.begin(), first + 1);
  // Neither its place in the list nor that it is a stop token as well makes a difference.
  const std::vector<std::vector<std::int32_t>> lists = {{ending, 1 << 20}, {1 << 20, ending}};
  for (const std::vector<std::int32_t>& list : lists) {
    Engine engine(model_.decoder(), self_, {.end_tokens = list});
    Request request = Make(1, 6, 12);
    request.sampling.stop_tokens = {ending};
    engine.Submit(request);
    EXPECT_EQ(RunAll(engine).at(1), until);
    EXPECT_EQ(finish_.at(1), FinishReason::kEos);
  }
}

TEST_F(EngineTest, ForgetsWhatItHasComputedWhenItIsRenewed) {
  Engine engine(model_.decoder(), self_, {});
  engine.Submit(Make(1, 50, 4));
  EXPECT_THROW(engine.Renew(0, {}), Error);
  const auto tokens = RunAll(engine).at(1);
  engine.Renew(0, {tokens[1]});
  engine.Submit(Make(1, 50, 4));
  EXPECT_EQ(RunAll(engine).at(1), (std::vector{tokens[0], tokens[1]}));
  EXPECT_EQ(engine.status().counts.prefix_hits, 0);
  engine.Submit(Make(1, 50, 4));
  RunAll(engine);
  EXPECT_GT(engine.status().counts.prefix_hits, 0) << "or nothing is ever found";
}

TEST_F(EngineTest, SaysNothingToItsRanksWhileTheyDoSomethingTogether) {
  struct Counting : SelfCommunicator {
    void Broadcast(Bytes& /*message*/) override { ++broadcasts; }
    int broadcasts = 0;
  } ranks;
  Engine engine(model_.decoder(), ranks, {});
  engine.Together("words", [&] { engine.KeepAlive(); });
  EXPECT_EQ(ranks.broadcasts, 1);
  EXPECT_THROW(engine.Together("words", [] { throw BadInput("no"); }), Error);
  engine.KeepAlive();
  EXPECT_EQ(ranks.broadcasts, 3);
}

TEST_F(EngineTest, EndsAtAnIgnoredEndTokenThatIsAStopToken) {
  Engine plain(model_.decoder(), self_, {});
  plain.Submit(Make(1, 6, 12));
  const auto ending = RunAll(plain).at(1)[4];
  Engine engine(model_.decoder(), self_, {.end_tokens = {ending}});
  Request request = Make(1, 6, 12);
  request.sampling.ignore_eos = true;
  request.sampling.stop_tokens = {ending};
  engine.Submit(request);
  RunAll(engine);
  EXPECT_EQ(finish_.at(1), FinishReason::kStop);
}

TEST_F(EngineTest, KnowsAllEndTokensInMinTokens) {
  Engine plain(model_.decoder(), self_, {});
  plain.Submit(Make(1, 6, 12));
  const auto tokens = RunAll(plain).at(1);
  Engine engine(model_.decoder(), self_, {.end_tokens = {tokens[1], tokens[0]}});
  Request request = Make(1, 6, 12);
  request.sampling.min_tokens = 5;
  engine.Submit(request);
  const auto found = RunAll(engine).at(1);
  ASSERT_GE(found.size(), 5u);
  for (std::size_t i = 0; i < 5; ++i)
    EXPECT_TRUE(found[i] != tokens[0] && found[i] != tokens[1]) << i;
}

TEST_F(EngineTest, NeverSamplesPaddingOfTheVocabulary) {
  Engine engine(model_.decoder(), self_, {.sampled_vocab = 5});
  engine.Submit(Make(1, 3, 40));
  engine.Submit(Make(2, 3, 40, 5.0));
  for (const auto& [id, tokens] : RunAll(engine))
    for (const std::int32_t token : tokens) EXPECT_LT(token, 5);
}

TEST_F(EngineTest, CancelsWaitingAndRunningRequestsAndGivesTheirPagesBack) {
  Engine engine(model_.decoder(), self_, {.max_sequences = 1});
  engine.Submit(Make(1, 3, 20));
  engine.Submit(Make(2, 3, 20));
  engine.Submit(Make(3, 3, 2));
  engine.Step();
  engine.Cancel(1);
  engine.Cancel(2);
  const auto tokens = RunAll(engine);
  EXPECT_EQ(tokens.size(), 1u);
  EXPECT_EQ(tokens.at(3).size(), 2u);
  for (int round = 0; round < 20; ++round) {  // more than the pages, were they lost
    engine.Submit(Make(round, 50, 10));
    RunAll(engine);
  }
}

TEST_F(EngineTest, TakesRequestsWhileAStepIsUnderWayAndNothingElse) {
  Engine alone(model_.decoder(), self_, {});
  for (std::int64_t id = 1; id <= 3; ++id) alone.Submit(Make(id, 3, 6));
  const auto expected = RunAll(alone);

  Engine engine(model_.decoder(), self_, {});
  std::map<std::int64_t, std::vector<std::int32_t>> tokens;
  engine.Submit(Make(1, 3, 6));
  for (std::int64_t step = 1; step == 1 || !engine.idle(); ++step) {
    engine.Launch();
    if (step < 3) engine.Submit(Make(step + 1, 3, 6));
    EXPECT_THROW(engine.Launch(), Error);
    EXPECT_THROW(engine.Cancel(1), Error);
    EXPECT_THROW(engine.Branch(1, {}), Error);
    std::size_t events = 0;
    for (const TokenEvent& event : engine.Collect()) {
      tokens[event.request].push_back(event.token);
      ++events;
    }
    if (step <= 3) {
      EXPECT_EQ(events, static_cast<std::size_t>(step)) << "the next step has it";
    }
  }
  EXPECT_EQ(tokens, expected);
  EXPECT_TRUE(engine.Collect().empty()) << "nothing was launched";
}

TEST_F(EngineTest, RefusesAStepThatDoesNotFollowOnTheLast) {
  StepExecutor executor(model_.decoder(), self_);
  StepMessage message;
  message.batch = {.ids = {5},
                   .sequences = {{.token_count = 1, .start = 0, .page_table = {0}}},
                   .logit_rows = {0}};
  message.stages = {1};
  message.questions = {{.row = 0}};
  const auto refusal = [&](std::int64_t step) -> std::string {
    message.step = step;
    if (!message.stages.empty()) message.stages = {step};
    try {
      executor.Run(message);
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ExitCode::kInternal);
      return error.what();
    }
    return "accepted";
  };
  EXPECT_THAT(refusal(2), testing::HasSubstr("rank 0 was sent step 2, and expected step 1"));
  EXPECT_EQ(refusal(1), "accepted");
  EXPECT_THAT(refusal(1), testing::HasSubstr("rank 0 was sent step 1, and expected step 2"));
  message.batch = {};  // more questions about the same step
  message.stages.clear();
  EXPECT_EQ(refusal(1), "accepted");
  EXPECT_THAT(refusal(2), testing::HasSubstr("rank 0 was sent step 2, and expected step 1"));
}

TEST_F(EngineTest, RefusesControlsThatLeaveNoToken) {
  Engine engine(model_.decoder(), self_, {.sampled_vocab = 8, .end_tokens = {3, 4}});
  Request request = Make(1, 3, 4);
  request.prompt = {1, 2, 5};
  request.sampling.banned_tokens = {0, 1, 2, 3, 4, 5, 6, 7};
  EXPECT_EQ(Refusal(engine, request),
            "no token is left by allowed_token_ids and banned_token_ids; allow others");
  request.sampling.banned_tokens = {0, 1, 2, 5, 6, 7};
  EXPECT_EQ(Refusal(engine, request), "accepted");  // it ends at once
  request.id = 2;
  request.sampling.min_tokens = 1;
  EXPECT_THAT(Refusal(engine, request),
              testing::StartsWith("no token is left: min_tokens is 1, and"));
  request.sampling.banned_tokens = {};
  request.sampling.allowed_tokens = {4, 3};
  EXPECT_THAT(Refusal(engine, request),
              testing::StartsWith("no token is left: min_tokens is 1, and"));
  request.sampling.ignore_eos = true;
  EXPECT_EQ(Refusal(engine, request), "accepted");
  request.id = 3;
  request.sampling.stop_tokens = {3, 4};
  EXPECT_THAT(Refusal(engine, request),
              testing::StartsWith("no token is left: min_tokens is 1, and"));
}

TEST_F(EngineTest, TakesATopKOfAllTokensForNone) {
  Engine engine(model_.decoder(), self_, {});
  Request all = Make(1, 6, 12, 1.0);
  all.sampling.top_k = std::int64_t{1} << 62;
  engine.Submit(all);
  const auto found = RunAll(engine).at(1);
  Engine off(model_.decoder(), self_, {});
  off.Submit(Make(1, 6, 12, 1.0));
  EXPECT_EQ(RunAll(off).at(1), found);
}

TEST_F(EngineTest, RefusesWhatCannotRun) {
  Engine engine(model_.decoder(), self_, {});
  EXPECT_EQ(Refusal(engine, Make(1, 0, 4)), "the prompt has no tokens; expected at least one");
  EXPECT_EQ(Refusal(engine, Make(1, 64, 4)),
            "64 tokens do not fit the context of 64 tokens together with a new one; shorten the "
            "text");
  Request outside = Make(1, 3, 4);
  outside.prompt[1] = 100000;
  EXPECT_THAT(Refusal(engine, outside), testing::HasSubstr("token id 100000 is outside"));
  outside.prompt[1] = 127;
  EXPECT_EQ(Refusal(engine, outside), "token id 127 is outside the vocabulary; expected 0 to 126");
  EXPECT_EQ(Refusal(engine, Make(1, 3, 0)), "request: max_new_tokens is 0; expected 1 or more");
  EXPECT_TRUE(engine.idle());
}

TEST_F(EngineTest, UsesTheCacheToItsLastToken) {
  GoldenModel small(SourceFolder() / "tests/golden/cases/neox_saved_single", self_,
                    {.cache_pages = 1});
  Engine engine(small.decoder(), self_, {});
  ASSERT_EQ(engine.most_tokens(), KvCache::kPageTokens + 1) << "the last one is not kept";
  engine.Submit(Make(1, 20, 13));
  EXPECT_EQ(RunAll(engine).at(1).size(), 13u);
  EXPECT_EQ(Refusal(engine, Make(1, 20, 14)),
            "a request of 34 tokens needs 33 of them in the KV cache, which holds 32; shorten it "
            "or enlarge the cache");
  EXPECT_EQ(ScoreTokens(engine, Make(1, 33, 1).prompt).logprobs.size(), 32u);
  EXPECT_THROW(ScoreTokens(engine, Make(1, 34, 1).prompt), Error);
  Request embedding = Make(1, 32, 1);
  embedding.embedding = Pooling::kMean;
  engine.Submit(embedding);
  RunAll(engine);
  embedding.prompt.push_back(1);
  EXPECT_THAT(Refusal(engine, embedding), testing::HasSubstr("needs 33 of them"));
}

// Its pages go to one that came earlier while it is in the middle of its prompt.
TEST_F(EngineTest, ScoresAPromptOnceAlthoughItIsComputedTwice) {
  GoldenModel small(SourceFolder() / "tests/golden/cases/neox_saved_single", self_,
                    {.cache_pages = 3});
  std::int64_t preemptions = 0;
  for (std::size_t prompt = 18; prompt <= 24; ++prompt) {
    Engine engine(small.decoder(), self_, {.max_step_tokens = 6});
    Request scored = Make(2, 60, 0);
    scored.prompt_logprobs = 0;
    engine.Submit(Make(1, prompt, 30));
    engine.Submit(scored);
    std::vector<TokenLogprob> logprobs;
    while (!engine.idle())
      for (const TokenEvent& event : engine.Step())
        for (const TokenLogprob& one : event.prompt_logprobs) logprobs.push_back(one);
    ASSERT_EQ(logprobs.size(), 59u) << prompt;
    for (std::size_t i = 0; i < logprobs.size(); ++i)
      EXPECT_EQ(logprobs[i].token, scored.prompt[i + 1]) << i;
    preemptions += engine.status().counts.preemptions;
  }
  EXPECT_GT(preemptions, 0) << "or the test shows nothing";
}

TEST_F(EngineTest, LogprobsOfGeneratedTokensAreThoseOfTheirScore) {
  Engine engine(model_.decoder(), self_, {.sampled_vocab = 90});
  for (const double temperature : {0.0, 0.8}) {
    Request request = Make(1, 6, 12, temperature);
    request.logprobs = 3;
    request.prompt_logprobs = 2;
    engine.Submit(request);
    std::vector<TokenLogprob> reported;
    std::vector<std::int32_t> text = request.prompt;
    while (!engine.idle())
      for (const TokenEvent& event : engine.Step()) {
        for (const TokenLogprob& one : event.prompt_logprobs) reported.push_back(one);
        reported.push_back(*event.logprob);
        text.push_back(event.token);
      }
    const Score score = ScoreTokens(engine, text);
    ASSERT_EQ(reported.size(), score.logprobs.size());
    for (std::size_t i = 0; i < reported.size(); ++i) {
      EXPECT_EQ(reported[i].token, text[i + 1]);
      EXPECT_EQ(reported[i].logprob, score.logprobs[i]);
      EXPECT_EQ(reported[i].top, score.top[i]);
      ASSERT_EQ(reported[i].likeliest.size(), i < 5 ? 2u : 3u);
      EXPECT_GE(reported[i].likeliest[0].second, reported[i].likeliest[1].second);
    }
  }
}

TEST_F(EngineTest, EndsAtAStopTokenButNotBeforeTheLeastTokens) {
  Engine engine(model_.decoder(), self_, {});
  engine.Submit(Make(1, 6, 12));
  const auto tokens = RunAll(engine).at(1);
  Request stopping = Make(1, 6, 12);
  stopping.sampling.stop_tokens = {tokens[0]};
  engine.Submit(stopping);
  EXPECT_EQ(RunAll(engine).at(1), (std::vector<std::int32_t>{tokens[0]}));
  EXPECT_EQ(finish_.at(1), FinishReason::kStop);
  stopping.sampling.min_tokens = 4;
  engine.Submit(stopping);
  const auto later = RunAll(engine).at(1);
  EXPECT_GE(later.size(), 4u);
  for (std::size_t i = 0; i < 4; ++i) EXPECT_NE(later[i], tokens[0]);
}

TEST_F(EngineTest, RefusesTokensAndNumbersThatTheModelDoesNotHave) {
  Engine engine(model_.decoder(), self_, {.sampled_vocab = 90});
  Request biased = Make(1, 3, 4);
  biased.sampling.logit_bias = {{90, 1.0}};
  EXPECT_EQ(Refusal(engine, biased), "logit_bias holds token id 90; expected 0 to 89");
  Request many = Make(1, 3, 4);
  many.logprobs = 91;
  EXPECT_EQ(Refusal(engine, many), "logprobs is 91; expected 0 to 90");
  EXPECT_TRUE(engine.idle());
}

TEST_F(EngineTest, ScoresWhatIsBehindAContextAsInTheWholeText) {
  Engine engine(model_.decoder(), self_, {});
  const std::vector<std::int32_t> text = Make(1, 40, 1).prompt;
  const Score whole = ScoreTokens(engine, text);
  std::map<std::int64_t, std::vector<TokenLogprob>> scored;
  for (const std::int64_t context : {0, 1, 2, 20, 39}) {
    Request request = Make(context, 40, 0);
    request.prompt = text;
    request.prompt_logprobs = 0;
    request.context_tokens = context;
    engine.Submit(request);
  }
  while (!engine.idle())
    for (const TokenEvent& event : engine.Step()) scored[event.request] = event.prompt_logprobs;
  for (const auto& [context, logprobs] : scored) {
    const auto first = static_cast<std::size_t>(std::max<std::int64_t>(1, context));
    ASSERT_EQ(logprobs.size(), 40 - first) << context;
    for (std::size_t i = 0; i < logprobs.size(); ++i) {
      EXPECT_EQ(logprobs[i].token, text[first + i]);
      EXPECT_EQ(logprobs[i].logprob, whole.logprobs[first - 1 + i]) << context << ", " << i;
    }
  }
  EXPECT_EQ(scored.size(), 5u);
  EXPECT_GT(engine.status().counts.prefix_hits, 0);
}

TEST_F(EngineTest, RefusesAContextThatLeavesNothingToScore) {
  Engine engine(model_.decoder(), self_, {});
  Request request = Make(1, 3, 0);
  request.prompt_logprobs = 0;
  request.context_tokens = 3;
  EXPECT_EQ(Refusal(engine, request),
            "the context has 3 of the prompt's 3 tokens; expected at least one behind it to score");
}

// The last token is not read.
TEST_F(EngineTest, ScoresOneTokenWithoutARunAndAWholeContextAndOneMore) {
  Engine engine(model_.decoder(), self_, {});
  EXPECT_TRUE(ScoreTokens(engine, std::vector<std::int32_t>{3}).logprobs.empty());
  const Request whole = Make(1, 64, 1);
  EXPECT_EQ(ScoreTokens(engine, whole.prompt).logprobs.size(), 63u);
  const Request one_more = Make(1, 65, 1);
  EXPECT_EQ(ScoreTokens(engine, one_more.prompt).logprobs.size(), 64u);
  const Request longer = Make(1, 66, 1);
  EXPECT_THROW(ScoreTokens(engine, longer.prompt), Error);
}

}  // namespace
}  // namespace lockstep
