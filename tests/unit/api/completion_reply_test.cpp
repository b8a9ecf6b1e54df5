#include "api/openai/completion_reply.h"

#include <limits>

#include "api_fixture.h"

namespace lockstep {
namespace {

class CompletionReplyTest : public ApiRequestTest {
 protected:
  void Ask(const std::string& body) { request_ = ParseCompletion(body, Rules()); }
  CompletionReply Reply() const {
    return CompletionReply(request_, {tokenizer_, "cmpl-1", "served", 17});
  }
  static TokenLogprob Logprob(std::int32_t token, float logprob) {
    return {.token = token, .logprob = logprob, .top = 5, .likeliest = {{5, -0.25f}}};
  }

  CompletionRequest request_;
};

TEST_F(CompletionReplyTest, NumbersTheChoicesOfAllPrompts) {
  Ask(R"({"prompt": [[1], [2, 3]], "n": 2})");
  const auto sample = [](const char* text, FinishReason finish) {
    return TextSample{
        .text = text, .tokens = {7, 8}, .finish = finish, .logprobs = {}, .score = {}};
  };
  const std::vector<TextResult> results{
      {.samples = {sample("a", FinishReason::kLength), sample("b", FinishReason::kEos)},
       .prompt_logprobs = {}},
      {.samples = {sample("c", FinishReason::kStop), sample("d", FinishReason::kLength)},
       .prompt_logprobs = {}}};
  const Json reply = ParseJson(Reply().Whole(results), "reply");
  EXPECT_EQ(reply["id"], "cmpl-1");
  EXPECT_EQ(reply["object"], "text_completion");
  EXPECT_EQ(reply["created"], 17);
  EXPECT_EQ(reply["model"], "served");
  ASSERT_EQ(reply["choices"].size(), 4u);
  EXPECT_EQ(reply["choices"][2],
            ParseJson(R"({"index": 2, "text": "c", "logprobs": null, "finish_reason": "stop",
                          "stop_reason": 8})",
                      "expected"));
  EXPECT_EQ(reply["choices"][0]["finish_reason"], "length");
  EXPECT_EQ(reply["choices"][1]["finish_reason"], "stop");
  EXPECT_EQ(reply["usage"], ParseJson(R"({"prompt_tokens": 3, "completion_tokens": 8,
                                          "total_tokens": 11})",
                                      "expected"));
}

TEST_F(CompletionReplyTest, SaysWhichStopTextOrTokenEndedAText) {
  Ask(R"({"prompt": [1], "n": 4, "stop": ["never", "end"], "stop_token_ids": [8]})");
  const auto sample = [](FinishReason finish, std::optional<std::size_t> stop) {
    return TextSample{
        .text = "a", .tokens = {7, 8}, .finish = finish, .logprobs = {}, .score = {}, .stop = stop};
  };
  const TextResult result{
      .samples = {sample(FinishReason::kStop, 1), sample(FinishReason::kStop, std::nullopt),
                  sample(FinishReason::kEos, std::nullopt),
                  sample(FinishReason::kLength, std::nullopt)},
      .prompt_logprobs = {}};
  const Json whole = ParseJson(Reply().Whole({&result, 1}), "reply")["choices"];
  CompletionReply reply = Reply();
  const Json expected[] = {"end", 8, nullptr, nullptr};
  for (std::size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(whole[i]["stop_reason"], expected[i]) << i;
    const TextSample& one = result.samples[i];
    const KeptPiece piece{.sample = i,
                          .text = "a",
                          .token = 8,
                          .logprob = {},
                          .prompt_logprobs = {},
                          .finish = one.finish,
                          .stop = one.stop};
    const Json chunk = ParseJson(reply.Chunk(0, piece), "chunk")["choices"][0];
    EXPECT_EQ(chunk["stop_reason"], expected[i]) << i;
  }
}

// What lm-evaluation-harness reads.
TEST_F(CompletionReplyTest, EchoesThePromptsLogprobsFromNullOn) {
  Ask(R"({"prompt": [1, 2], "logprobs": 1, "echo": true, "max_tokens": 1})");
  const std::vector<TextResult> results{
      {.samples = {{.text = "x",
                    .tokens = {3},
                    .finish = FinishReason::kLength,
                    .logprobs = {Logprob(3, -2.0f)},
                    .score = {}}},
       .prompt_logprobs = {Logprob(2, -std::numeric_limits<float>::infinity())}}};
  const Json choice = ParseJson(Reply().Whole(results), "reply")["choices"][0];
  const Json& logprobs = choice["logprobs"];
  const std::string one = tokenizer_.Decode(std::vector{1}, SpecialTokens::kKeep);
  const std::string two = tokenizer_.Decode(std::vector{2}, SpecialTokens::kKeep);
  EXPECT_EQ(choice["text"], one + two + "x");
  EXPECT_EQ(logprobs["token_logprobs"], ParseJson("[null, -9999.0, -2.0]", "expected"));
  ASSERT_EQ(logprobs["top_logprobs"].size(), 3u);
  EXPECT_TRUE(logprobs["top_logprobs"][0].is_null());
  EXPECT_EQ(logprobs["top_logprobs"][2].size(), 2u) << "the likeliest and the token itself";
  EXPECT_EQ(logprobs["tokens"][0], one);
  EXPECT_EQ(logprobs["text_offset"], ParseJson("[0, 1, 2]", "expected"));
}

TEST_F(CompletionReplyTest, EchoesThePromptAlone) {
  Ask(R"({"prompt": [1, 2], "logprobs": 1, "echo": true, "max_tokens": 0, "stream": true})");
  const std::vector<TokenLogprob> prompt{Logprob(2, -1.0f)};
  const TextSample sample{.text = "x",
                          .tokens = {7},
                          .finish = FinishReason::kStop,
                          .logprobs = {Logprob(7, -2.0f)},
                          .score = {}};
  const std::vector<TextResult> results{{.samples = {sample}, .prompt_logprobs = prompt}};
  const Json whole = ParseJson(Reply().Whole(results), "whole");
  const Json chunk = ParseJson(Reply().Chunk(0, {.sample = 0,
                                                 .text = "x",
                                                 .token = 7,
                                                 .logprob = Logprob(7, -2.0f),
                                                 .prompt_logprobs = prompt,
                                                 .finish = FinishReason::kStop}),
                               "chunk");
  for (const Json& reply : {whole, chunk}) {
    const Json& choice = reply["choices"][0];
    EXPECT_EQ(choice["text"], request_.texts[0]);
    EXPECT_EQ(choice["logprobs"]["token_logprobs"], Json({nullptr, -1.0}));
    EXPECT_EQ(choice["finish_reason"], "length") << "the token that is not told did not end it";
    EXPECT_EQ(choice["stop_reason"], nullptr);
  }
  EXPECT_EQ(whole["usage"]["completion_tokens"], 0);
}

TEST_F(CompletionReplyTest, HasTheIdsOfTokensWhereTheyAreAskedFor) {
  Ask(R"({"prompt": [[1], [2, 3]], "n": 2, "logprobs": 1, "return_token_ids": true,
          "return_tokens_as_token_ids": true})");
  const TextSample sample{.text = "x",
                          .tokens = {7},
                          .finish = FinishReason::kLength,
                          .logprobs = {Logprob(7, -2.0f)},
                          .score = {}};
  const TextResult result{.samples = {sample, sample}, .prompt_logprobs = {}};
  const std::vector<TextResult> results{result, result};
  const Json choice = ParseJson(Reply().Whole(results), "reply")["choices"][3];
  EXPECT_EQ(choice["token_ids"], Json({7}));
  EXPECT_EQ(choice["prompt_token_ids"], Json({2, 3}));
  EXPECT_EQ(choice["logprobs"]["tokens"], Json({"token_id:7"}));
  EXPECT_EQ(choice["logprobs"]["top_logprobs"][0],
            ParseJson(R"({"token_id:5": -0.25, "token_id:7": -2.0})", "expected"));
  EXPECT_FALSE(choice.contains("prompt_logprobs"));

  CompletionReply reply = Reply();
  const auto chunk = [&] {
    const KeptPiece piece{.sample = 1,
                          .text = "x",
                          .token = 7,
                          .logprob = Logprob(7, -2.0f),
                          .prompt_logprobs = {},
                          .finish = FinishReason::kNone};
    return ParseJson(reply.Chunk(1, piece), "chunk")["choices"][0];
  };
  const Json first = chunk();
  EXPECT_EQ(first["token_ids"], Json({7}));
  EXPECT_EQ(first["prompt_token_ids"], Json({2, 3}));
  EXPECT_FALSE(chunk().contains("prompt_token_ids")) << "they are in the first chunk alone";
}

TEST_F(CompletionReplyTest, HasThePromptsLogprobsByTokenAsVllmHas) {
  Ask(R"({"prompt": [1, 2, 5], "prompt_logprobs": 1, "max_tokens": 1})");
  const std::vector<TokenLogprob> prompt{Logprob(2, -1.0f), Logprob(5, -0.25f)};
  const TextSample sample{
      .text = "x", .tokens = {7}, .finish = FinishReason::kLength, .logprobs = {}, .score = {}};
  const std::vector<TextResult> results{{.samples = {sample}, .prompt_logprobs = prompt}};
  const Json whole = ParseJson(Reply().Whole(results), "whole");
  const Json chunk = ParseJson(Reply().Chunk(0, {.sample = 0,
                                                 .text = "x",
                                                 .token = 7,
                                                 .logprob = {},
                                                 .prompt_logprobs = prompt,
                                                 .finish = FinishReason::kLength}),
                               "chunk");
  for (const Json& reply : {whole, chunk}) {
    const Json& places = reply["choices"][0]["prompt_logprobs"];
    ASSERT_EQ(places.size(), 3u);
    EXPECT_TRUE(places[0].is_null());
    EXPECT_EQ(places[1]["2"]["logprob"], -1.0);
    EXPECT_TRUE(places[1]["2"]["rank"].is_null()) << "it is not among the likeliest";
    EXPECT_EQ(places[1]["5"]["rank"], 1);
    EXPECT_EQ(places[1]["5"]["decoded_token"],
              tokenizer_.Decode(std::vector{5}, SpecialTokens::kKeep));
    EXPECT_EQ(places[2].size(), 1u);
    EXPECT_EQ(places[2]["5"]["rank"], 1);
    EXPECT_FALSE(reply["choices"][0].contains("token_ids"));
  }
}

// One computation serves both: as many of the likeliest as the larger of the two asks for.
TEST_F(CompletionReplyTest, GivesAnEchoAndThePromptsLogprobsAsManyAsEachWasAskedFor) {
  TokenLogprob place = Logprob(2, -1.0f);
  place.likeliest = {{5, -0.25f}, {6, -0.5f}, {2, -1.0f}};
  const TextSample sample{.text = "x",
                          .tokens = {7},
                          .finish = FinishReason::kLength,
                          .logprobs = {Logprob(7, -2.0f)},
                          .score = {}};
  const std::vector<TextResult> results{{.samples = {sample}, .prompt_logprobs = {place}}};
  const auto places = [&](const std::string& asked) {
    Ask(R"({"prompt": [1, 2], "echo": true, "max_tokens": 1, )" + asked + "}");
    const Json choice = ParseJson(Reply().Whole(results), "reply")["choices"][0];
    return std::pair(choice["logprobs"]["top_logprobs"][1].size(),
                     choice["prompt_logprobs"][1].size());
  };
  EXPECT_EQ(places(R"("logprobs": 1, "prompt_logprobs": 3)"), std::pair(2ul, 3ul));
  EXPECT_EQ(places(R"("logprobs": 3, "prompt_logprobs": 1)"), std::pair(3ul, 2ul));
}

TEST_F(CompletionReplyTest, SendsAChunkForEachTokenAndTheUsageLast) {
  Ask(R"({"prompt": [[1], [2]], "stream": true, "echo": true,
          "stream_options": {"include_usage": true, "continuous_usage_stats": true}})");
  CompletionReply reply = Reply();
  const std::string two = tokenizer_.Decode(std::vector{2}, SpecialTokens::kKeep);
  const auto chunk = [&](const std::string& text, FinishReason finish) {
    return ParseJson(reply.Chunk(1, {.sample = 0,
                                     .text = text,
                                     .token = 4,
                                     .logprob = {},
                                     .prompt_logprobs = {},
                                     .finish = finish}),
                     "chunk");
  };
  const Json first = chunk("a", FinishReason::kNone);
  EXPECT_EQ(first["choices"][0]["index"], 1);
  EXPECT_EQ(first["choices"][0]["text"], two + "a");
  EXPECT_TRUE(first["choices"][0]["finish_reason"].is_null());
  EXPECT_EQ(first["usage"]["completion_tokens"], 1);
  const Json last = chunk("", FinishReason::kLength);
  EXPECT_EQ(last["choices"][0]["text"], "");
  EXPECT_EQ(last["choices"][0]["finish_reason"], "length");
  const Json usage = ParseJson(reply.UsageChunk(), "usage");
  EXPECT_EQ(usage["choices"], Json::array());
  EXPECT_EQ(usage["usage"]["total_tokens"], 4);
}

}  // namespace
}  // namespace lockstep
