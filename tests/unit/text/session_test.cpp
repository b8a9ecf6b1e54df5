#include "text/session.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "comm/self_communicator.h"
#include "core/error.h"
#include "tests/support/byte_tokenizer.h"
#include "tests/support/golden/golden_model.h"
#include "tests/support/message_of.h"

namespace lockstep {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

constexpr std::uint64_t kSampleStream = std::uint64_t{1} << 40;

double MeanLogprob(const TextSample& sample) {
  double sum = 0.0;
  for (const TokenLogprob& one : sample.logprobs) sum += one.logprob;
  return sum / static_cast<double>(sample.logprobs.size());
}

double SumOfLogprobs(const TextSample& sample) {
  return MeanLogprob(sample) * static_cast<double>(sample.logprobs.size());
}

// A tiny model of random weights, whose first 89 tokens are one character each.
class TextSessionTest : public testing::Test {
 protected:
  TextSession Open() {
    return {engine_,
            tokenizer_,
            {.on_piece =
                 [this](std::int64_t id, std::size_t sample, const TokenPiece& piece) {
                   if (!piece.text.empty()) shown_[{id, sample}].emplace_back(piece.text);
                 },
             .on_result = [this](std::int64_t id,
                                 TextResult result) { results_[id] = std::move(result); }}};
  }

  TextResult Run(const TextRequest& request) {
    shown_.clear();
    TextSession session = Open();
    session.Submit(1, request);
    while (session.in_flight() > 0) session.Step();
    EXPECT_TRUE(engine_.idle());
    return results_.at(1);
  }

  std::string Shown(std::size_t sample = 0) const {
    std::string text;
    for (const std::string& piece : shown_.at({1, sample})) text += piece;
    return text;
  }

  static TextRequest Sampled(std::int64_t n) {
    TextRequest request{.prompt = "to_be", .tokens = {}, .sampling = {}, .stop = {}, .n = n};
    request.sampling.temperature = 1.0;
    request.sampling.max_new_tokens = 12;
    request.sampling.stream = 5;
    return request;
  }
  static TextRequest Greedy(std::int64_t tokens) {
    TextRequest request{.prompt = "to_be", .tokens = {}, .sampling = {}, .stop = {}};
    request.sampling.max_new_tokens = tokens;
    return request;
  }

  SelfCommunicator self_;
  GoldenModel model_{SourceFolder() / "tests/golden/cases/gptj_saved_single", self_, {}};
  Tokenizer tokenizer_ = Tokenizer::FromJson(ByteTokenizerJson(90), "tokenizer.json");
  Engine engine_{model_.decoder(), self_, {.sampled_vocab = 89}};
  std::map<std::pair<std::int64_t, std::size_t>, std::vector<std::string>> shown_;
  std::map<std::int64_t, TextResult> results_;
};

TEST_F(TextSessionTest, ShowsWhatItReturns) {
  const TextResult result = Run(Greedy(12));
  ASSERT_THAT(result.samples, SizeIs(1));
  const TextSample& sample = result.samples[0];
  EXPECT_THAT(sample.tokens, SizeIs(12));
  EXPECT_EQ(sample.text, tokenizer_.Decode(sample.tokens, SpecialTokens::kKeep));
  EXPECT_EQ(sample.finish, FinishReason::kLength);
  EXPECT_THAT(sample.logprobs, IsEmpty());
  EXPECT_EQ(Shown(), sample.text);
  EXPECT_THAT((shown_.at({1, 0})), SizeIs(12)) << "as it comes";
}

// So that a prompt's second sample is no other prompt's first one.
TEST_F(TextSessionTest, GivesSamplesStreamsThatNoLineOfAnInputHas) {
  const TextResult together = Run(Sampled(3));
  ASSERT_THAT(together.samples, SizeIs(3));
  for (std::uint64_t i = 0; i < 3; ++i) {
    TextRequest alone = Sampled(1);
    alone.sampling.stream += i * kSampleStream;
    EXPECT_EQ(Run(alone).samples[0].tokens, together.samples[i].tokens) << i;
  }
  for (std::uint64_t next = 1; next <= 2; ++next) {
    TextRequest line = Sampled(1);
    line.sampling.stream += next;
    EXPECT_NE(Run(line).samples[0].tokens, together.samples[next].tokens);
  }
}

TEST_F(TextSessionTest, KeepsTheLikeliestOfMoreSamplesWithoutReportingTheirLogprobs) {
  TextRequest request = Sampled(8);
  request.logprobs = 0;
  std::vector<TextSample> all = Run(request).samples;
  std::stable_sort(all.begin(), all.end(), [](const TextSample& a, const TextSample& b) {
    return MeanLogprob(a) > MeanLogprob(b);
  });
  request = Sampled(3);
  request.best_of = 8;
  const TextResult best = Run(request);
  ASSERT_THAT(best.samples, SizeIs(3));
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(best.samples[i].tokens, all[i].tokens) << i;
    EXPECT_THAT(best.samples[i].logprobs, IsEmpty()) << i;
  }
  EXPECT_GT(MeanLogprob(all[0]), MeanLogprob(all[3])) << "or any choice would do";
}

const std::vector<std::int32_t>& Best(const std::vector<TextSample>& samples,
                                      double (*score)(const TextSample&)) {
  const auto less = [&](const TextSample& a, const TextSample& b) { return score(a) < score(b); };
  return std::max_element(samples.begin(), samples.end(), less)->tokens;
}

TEST_F(TextSessionTest, JudgesSamplesOfDifferentLengthsByTheMeanOfTheirTokens) {
  TextRequest request = Sampled(8);
  request.sampling.max_new_tokens = 20;
  for (std::int32_t token = 0; token < 89; token += 9)
    request.sampling.stop_tokens.push_back(token);
  int telling = 0;
  for (std::uint64_t stream = 0; stream < 20; ++stream) {
    request.sampling.stream = stream;
    request.n = 8;
    request.best_of = 0;
    request.logprobs = 0;
    const std::vector<TextSample> all = Run(request).samples;
    telling += Best(all, MeanLogprob) != Best(all, SumOfLogprobs);
    request.n = 1;
    request.best_of = 8;
    EXPECT_EQ(Run(request).samples[0].tokens, Best(all, MeanLogprob)) << stream;
  }
  EXPECT_GT(telling, 2) << "or the sums would do";
}

TEST_F(TextSessionTest, ShowsNoStopToken) {
  const TextSample whole = Run(Greedy(12)).samples[0];
  TextRequest request = Greedy(12);
  request.sampling.stop_tokens = {whole.tokens[6]};
  const auto at = static_cast<std::size_t>(
      std::find(whole.tokens.begin(), whole.tokens.end(), whole.tokens[6]) - whole.tokens.begin());
  const TextSample stopped = Run(request).samples[0];
  EXPECT_EQ(stopped.finish, FinishReason::kStop);
  EXPECT_THAT(stopped.tokens, SizeIs(at + 1)) << "it is reported";
  EXPECT_EQ(stopped.text, whole.text.substr(0, at));
  EXPECT_EQ(Shown(), stopped.text);
  EXPECT_EQ(stopped.stop, std::nullopt) << "it was no stop text";

  request.include_stop = true;
  const TextSample including = Run(request).samples[0];
  EXPECT_EQ(including.text, whole.text.substr(0, at + 1));
  EXPECT_EQ(including.tokens, stopped.tokens);
  EXPECT_EQ(Shown(), including.text);
}

TEST_F(TextSessionTest, ShowsNoEndTokenWhereItShowsStopTokens) {
  const TextSample whole = Run(Greedy(12)).samples[0];
  TextRequest request = Greedy(12);
  request.include_stop = true;
  engine_.Renew(89, {whole.tokens[6]});
  const auto at = static_cast<std::size_t>(
      std::find(whole.tokens.begin(), whole.tokens.end(), whole.tokens[6]) - whole.tokens.begin());
  const TextSample ended = Run(request).samples[0];
  EXPECT_EQ(ended.finish, FinishReason::kEos);
  EXPECT_EQ(ended.text, whole.text.substr(0, at));
}

TEST_F(TextSessionTest, ShowsNoStopTokenOfBeams) {
  TextRequest request = Greedy(8);
  for (std::int32_t token = 0; token < 89; token += 2)
    request.sampling.stop_tokens.push_back(token);
  request.beams = {.num_beams = 4, .length_penalty = -2.0};  // short texts are better
  request.n = 4;
  int stopped = 0;
  for (const TextSample& sample : Run(request).samples) {
    std::vector<std::int32_t> shown = sample.tokens;
    if (sample.finish == FinishReason::kStop) {
      ++stopped;
      shown.pop_back();
    }
    EXPECT_EQ(sample.text, tokenizer_.Decode(shown, SpecialTokens::kKeep));
  }
  EXPECT_GT(stopped, 0) << "or the test shows nothing";

  request.include_stop = true;
  for (const TextSample& sample : Run(request).samples)
    EXPECT_EQ(sample.text, tokenizer_.Decode(sample.tokens, SpecialTokens::kKeep));
}

TEST_F(TextSessionTest, EndsBeforeAStopTextAndShowsNoPartOfIt) {
  const std::string whole = Run(Greedy(12)).samples[0].text;
  TextRequest request = Greedy(12);
  request.stop = {"never there", whole.substr(4, 3)};
  const std::size_t at = whole.find(request.stop[1]);
  const TextSample stopped = Run(request).samples[0];
  EXPECT_EQ(stopped.text, whole.substr(0, at));
  EXPECT_EQ(stopped.finish, FinishReason::kStop);
  EXPECT_THAT(stopped.tokens, SizeIs(at + 3));
  EXPECT_EQ(stopped.stop, 1u);
  EXPECT_EQ(Shown(), stopped.text);

  request.include_stop = true;
  const TextSample including = Run(request).samples[0];
  EXPECT_EQ(including.text, whole.substr(0, at + 3));
  EXPECT_EQ(Shown(), including.text);
}

TEST_F(TextSessionTest, LooksForStopTextsFromTheTokenBehindTheLeastOnes) {
  // The text's last character that stands nowhere before.
  const std::string whole = Run(Greedy(24)).samples[0].text;
  std::size_t at = whole.size() - 1;
  while (whole.find(whole[at]) != at) --at;
  ASSERT_GT(at, 1u);
  TextRequest request = Greedy(static_cast<std::int64_t>(at) + 1);
  request.stop = {whole.substr(at, 1)};
  const auto run = [&](std::size_t least) {
    request.sampling.min_tokens = static_cast<std::int64_t>(least);
    return Run(request).samples[0];
  };
  for (const std::size_t least : {std::size_t{0}, at - 1, at}) {
    const TextSample sample = run(least);
    EXPECT_EQ(sample.finish, FinishReason::kStop) << least << " tokens";
    EXPECT_EQ(sample.text, whole.substr(0, at)) << least << " tokens";
  }
  const TextSample sample = run(at + 1);
  EXPECT_EQ(sample.finish, FinishReason::kLength);
  EXPECT_EQ(sample.text, whole.substr(0, at + 1));
}

TEST_F(TextSessionTest, ReportsThePromptsLogprobsOnceForAllSamples) {
  TextRequest request = Sampled(2);
  request.prompt_logprobs = 1;
  request.logprobs = 2;
  const TextResult result = Run(request);
  EXPECT_THAT(result.prompt_logprobs, SizeIs(4));
  for (const TextSample& sample : result.samples) {
    ASSERT_THAT(sample.logprobs, SizeIs(12));
    EXPECT_THAT(sample.logprobs[3].likeliest, SizeIs(2));
    EXPECT_EQ(sample.logprobs[3].token, sample.tokens[3]);
  }
}

// Pages of the prefix cache have no log-probabilities: only the sample that reports them computes
// the prompt anew.
TEST_F(TextSessionTest, ComputesThePromptsLogprobsForOneOfTheSamples) {
  TextRequest request = Sampled(3);
  request.tokens.assign(KvCache::kPageTokens + 8, 7);
  request.prompt_logprobs = 0;
  EXPECT_THAT(Run(request).prompt_logprobs, SizeIs(KvCache::kPageTokens + 7));
  EXPECT_EQ(engine_.status().counts.prefix_hits, 2 * KvCache::kPageTokens);
}

TEST_F(TextSessionTest, ForgetsARequestThatIsCancelledWhileItSpeaks) {
  TextSession* running = nullptr;
  std::vector<std::int64_t> ended;
  std::int64_t pieces = 0;
  TextSession session(engine_, tokenizer_,
                      {.on_piece =
                           [&](std::int64_t id, std::size_t, const TokenPiece& piece) {
                             if (id == 1 && !piece.text.empty() && ++pieces == 3)
                               running->Cancel(1);
                           },
                       .on_result = [&](std::int64_t id, TextResult) { ended.push_back(id); }});
  running = &session;
  session.Submit(1, Sampled(4));
  session.Submit(2, Greedy(5));
  while (session.in_flight() > 0) session.Step();
  EXPECT_THAT(ended, ElementsAre(2));
  EXPECT_EQ(pieces, 3);
  EXPECT_TRUE(engine_.idle());
  EXPECT_EQ(engine_.status().pages_used, 0);
}

// What it waited until then is no time of the model's.
TEST_F(TextSessionTest, TellsOnceThatARequestBeginsBeforeItsFirstToken) {
  std::vector<std::string> heard;
  {
    TextSession session(
        engine_, tokenizer_,
        {.on_begun = [&](std::int64_t id) { heard.push_back(fmt::format("begins {}", id)); },
         .on_piece =
             [&](std::int64_t id, std::size_t, const TokenPiece&) {
               const std::string piece = fmt::format("piece {}", id);
               if (heard.back() != piece) heard.push_back(piece);
             }});
    session.Submit(1, Sampled(3));
    EXPECT_THAT(heard, IsEmpty());
    while (session.in_flight() > 0) session.Step();
    TextRequest beams = Greedy(4);
    beams.beams.num_beams = 3;
    session.Submit(2, beams);
    while (session.in_flight() > 0) session.Step();
  }
  EXPECT_THAT(heard, ElementsAre("begins 1", "piece 1", "begins 2", "piece 2"));
  Run(Greedy(2));  // of a session that does not ask
}

TEST_F(TextSessionTest, CountsItsStepsByTheirTokens) {
  Run(Greedy(4));  // a prompt of five, and three tokens that are computed
  const StepCounts steps = engine_.status().steps;
  EXPECT_EQ(steps.tokens, 8);
  EXPECT_EQ(steps.by_tokens[0], 3);
  EXPECT_EQ(steps.by_tokens[1], 1);
  EXPECT_GT(steps.nanoseconds, 0);
  EXPECT_LE(steps.all_reduce_nanoseconds, steps.nanoseconds);
}

TEST_F(TextSessionTest, CancelsBeamsToo) {
  TextSession session = Open();
  TextRequest request = Greedy(8);
  request.beams.num_beams = 3;
  session.Submit(1, request);
  session.Step();
  session.Cancel(1);
  session.Cancel(7);  // not there
  EXPECT_EQ(session.in_flight(), 0u);
  EXPECT_TRUE(engine_.idle());
  EXPECT_THAT(results_, IsEmpty());
}

TEST_F(TextSessionTest, FollowsItsBeamsToTheContextsEndAndNotFurther) {
  TextRequest request{
      .prompt = "", .tokens = std::vector<std::int32_t>(60, 3), .sampling = {}, .stop = {}};
  request.sampling.max_new_tokens = 100;
  request.beams.num_beams = 3;
  request.n = 3;
  const TextResult result = Run(request);
  ASSERT_THAT(result.samples, SizeIs(3));
  for (const TextSample& sample : result.samples) {
    EXPECT_THAT(sample.tokens, SizeIs(4)) << "64 in all";
    EXPECT_EQ(sample.finish, FinishReason::kLength);
  }
  EXPECT_GE(*result.samples[0].score, *result.samples[1].score);
}

TEST_F(TextSessionTest, FollowsItsBeamsToTheCachesEndAndNotFurther) {
  GoldenModel small(SourceFolder() / "tests/golden/cases/gptj_saved_single", self_,
                    {.cache_pages = 1});
  Engine engine(small.decoder(), self_, {.sampled_vocab = 89});
  TextResult result;
  TextSession session(engine, tokenizer_,
                      {.on_result = [&](std::int64_t, TextResult done) { result = done; }});
  TextRequest request{
      .prompt = "", .tokens = std::vector<std::int32_t>(30, 3), .sampling = {}, .stop = {}};
  request.beams.num_beams = 2;
  session.Submit(1, request);
  while (session.in_flight() > 0) session.Step();
  ASSERT_THAT(result.samples, SizeIs(1));
  EXPECT_THAT(result.samples[0].tokens, SizeIs(3)) << "32 are kept, the last one need not be";
}

TEST_F(TextSessionTest, QueuesNothingOfARequestThatIsRefused) {
  TextSession session = Open();
  TextRequest request = Sampled(2);
  request.sampling.temperature = 0.0;
  EXPECT_THAT(MessageOf([&] { session.Submit(1, request); }),
              HasSubstr("2 samples at temperature 0 would all be the same"));
  request = Sampled(3);
  request.best_of = 2;
  EXPECT_THAT(MessageOf([&] { session.Submit(1, request); }), HasSubstr("best_of is 2"));
  request = Sampled(2);
  request.tokens.assign(64, 1);
  EXPECT_THAT(MessageOf([&] { session.Submit(1, request); }), HasSubstr("do not fit the context"));
  EXPECT_EQ(session.in_flight(), 0u);
  EXPECT_TRUE(engine_.idle());
}

// Without a tokenizer, as tokens are all that is given.
TEST_F(TextSessionTest, ScoresAndEmbedsBesideEachOther) {
  TextSession session(engine_, nullptr, {.on_result = [this](std::int64_t id, TextResult result) {
                        results_[id] = std::move(result);
                      }});
  TextRequest score{
      .task = Task::kScore, .prompt = {}, .tokens = {4, 5, 6, 7}, .sampling = {}, .stop = {}};
  session.Submit(1, score);
  score.context_tokens = 3;
  session.Submit(2, score);
  const TextRequest embed{
      .task = Task::kEmbed, .prompt = {}, .tokens = {4, 5}, .sampling = {}, .stop = {}};
  session.Submit(3, embed);
  while (session.in_flight() > 0) session.Step();
  ASSERT_THAT(results_.at(1).prompt_logprobs, SizeIs(3));
  ASSERT_THAT(results_.at(2).prompt_logprobs, SizeIs(1));
  EXPECT_EQ(results_.at(2).prompt_logprobs[0].logprob, results_.at(1).prompt_logprobs[2].logprob);
  EXPECT_THAT(results_.at(3).embedding, testing::Not(IsEmpty()));
  EXPECT_THAT(results_.at(1).embedding, IsEmpty());
  EXPECT_TRUE(engine_.idle());
}

}  // namespace
}  // namespace lockstep
