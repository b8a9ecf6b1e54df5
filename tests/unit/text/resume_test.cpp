// A request whose run was broken off goes on in another session behind what it had reached: its
// client cannot tell.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

#include "comm/self_communicator.h"
#include "tests/support/byte_tokenizer.h"
#include "tests/support/golden/golden_model.h"
#include "text/session.h"

namespace lockstep {
namespace {

std::string Shown(const TokenLogprob& one) {
  std::string text = fmt::format(" {}:{:a}", one.token, one.logprob);
  for (const auto& [token, logprob] : one.likeliest)
    text += fmt::format(",{}:{:a}", token, logprob);
  return text;
}

std::string Shown(const TextResult& result) {
  std::string text;
  for (const TokenLogprob& one : result.prompt_logprobs) text += Shown(one);
  for (const TextSample& sample : result.samples) {
    text += fmt::format("\n{} '{}' {} {}", fmt::join(sample.tokens, " "), sample.text,
                        Name(sample.finish), sample.stop.value_or(99));
    for (const TokenLogprob& one : sample.logprobs) text += Shown(one);
  }
  return text;
}

class ResumedText : public testing::Test {
 protected:
  // What a client would have of it.
  struct Heard {
    ReachedText reached;
    std::vector<std::string> pieces;
    std::size_t count = 0;  // of pieces
    std::string result;
  };

  // Adds what is heard to `heard`, until the request ends or so many pieces have come.
  void Run(const TextRequest& request, std::size_t most, Heard& heard) {
    const bool reports = request.logprobs || request.best_of > request.n;
    const auto take = [&](std::int64_t, std::size_t index, const TokenPiece& piece) {
      if (heard.count == most) return;  // of the step that is broken off in the middle
      ++heard.count;
      heard.reached.samples.resize(std::max(heard.reached.samples.size(), index + 1));
      heard.pieces.resize(heard.reached.samples.size());
      ReachedText::Sample& sample = heard.reached.samples[index];
      sample.tokens.push_back(piece.token);
      if (reports) sample.logprobs.push_back(*piece.logprob);
      for (const TokenLogprob& one : piece.prompt_logprobs)
        heard.reached.prompt_logprobs.push_back(one);
      heard.pieces[index] += fmt::format("{}|{}|{}|{}\n", piece.token, piece.text,
                                         Name(piece.finish), piece.stop.value_or(99));
    };
    Engine engine(model_.decoder(), self_, {.sampled_vocab = 89, .end_tokens = {3}});
    TextSession session(
        engine, tokenizer_,
        {.on_piece = take, .on_result = [&](std::int64_t, const TextResult& result) {
           heard.result = Shown(result);
         }});
    session.Submit(1, request);
    while (session.in_flight() > 0 && heard.count < most) session.Step();
  }

  void ExpectTheSameWhereverItIsBrokenOff(const TextRequest& request) {
    Heard whole;
    Run(request, 1000, whole);
    ASSERT_GT(whole.count, 4u);
    for (std::size_t cut = 0; cut <= whole.count; ++cut) {
      Heard heard;
      Run(request, cut, heard);
      heard.result.clear();
      TextRequest rest = request;
      rest.reached = heard.reached;
      Run(rest, 1000, heard);
      EXPECT_EQ(heard.result, whole.result) << "behind piece " << cut;
      EXPECT_EQ(heard.pieces, whole.pieces) << "behind piece " << cut;
    }
  }

  static TextRequest Sampled(std::int64_t n) {
    TextRequest request{.prompt = "to_be", .tokens = {}, .sampling = {}, .stop = {}, .n = n};
    request.sampling.temperature = 1.0;
    request.sampling.max_new_tokens = 9;
    request.sampling.stream = 5;
    return request;
  }

  SelfCommunicator self_;
  GoldenModel model_{SourceFolder() / "tests/golden/cases/gptj_saved_single", self_, {}};
  Tokenizer tokenizer_ = Tokenizer::FromJson(ByteTokenizerJson(90), "tokenizer.json");
};

TEST_F(ResumedText, OfOneSample) { ExpectTheSameWhereverItIsBrokenOff(Sampled(1)); }

TEST_F(ResumedText, OfSeveralSamplesWithPenaltiesAndLogprobs) {
  TextRequest request = Sampled(3);
  request.logprobs = 2;
  request.prompt_logprobs = 1;
  request.sampling.repetition_penalty = 1.3;
  request.sampling.frequency_penalty = 0.5;
  request.sampling.min_tokens = 4;
  ExpectTheSameWhereverItIsBrokenOff(request);
}

TEST_F(ResumedText, OfTheBestOfSeveral) {
  TextRequest request = Sampled(2);
  request.best_of = 4;
  ExpectTheSameWhereverItIsBrokenOff(request);
}

TEST_F(ResumedText, OfTextThatIsHeldBackForAStopText) {
  Heard whole;
  Run(Sampled(1), 1000, whole);
  const std::string text = tokenizer_.Decode(whole.reached.samples[0].tokens, SpecialTokens::kKeep);
  TextRequest request = Sampled(1);
  request.stop = {text.substr(4, 3), text.substr(1, 2) + "never"};
  ExpectTheSameWhereverItIsBrokenOff(request);
  request.include_stop = true;
  ExpectTheSameWhereverItIsBrokenOff(request);
  request.stop = {"never", text.substr(6) + "never"};
  ExpectTheSameWhereverItIsBrokenOff(request);
}

TEST_F(ResumedText, ThatStopTokensAndEndTokensEnd) {
  TextRequest request = Sampled(4);
  for (std::int32_t token = 0; token < 89; token += 9)
    request.sampling.stop_tokens.push_back(token);
  for (std::uint64_t stream = 0; stream < 4; ++stream) {
    request.sampling.stream = stream;
    ExpectTheSameWhereverItIsBrokenOff(request);
  }
}

TEST_F(ResumedText, ThatTheContextEnds) {
  TextRequest request = Sampled(2);
  request.prompt.clear();
  request.tokens.assign(59, 7);
  request.sampling.max_new_tokens = 100;
  ExpectTheSameWhereverItIsBrokenOff(request);
}

}  // namespace
}  // namespace lockstep
