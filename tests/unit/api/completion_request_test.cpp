#include "api/openai/completion_request.h"

#include <gmock/gmock.h>

#include "api_fixture.h"

namespace lockstep {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::SizeIs;

class CompletionRequestTest : public ApiRequestTest {
 protected:
  CompletionRequest Parse(const std::string& body) const { return ParseCompletion(body, Rules()); }
  std::string Refusal(const std::string& body) const {
    return RefusalBy([&] { Parse(body); });
  }
};

TEST_F(CompletionRequestTest, TakesAllFormsOfPrompts) {
  EXPECT_THAT(Parse(R"({"prompt": "ab"})").prompts, SizeIs(1));
  EXPECT_THAT(Parse(R"({"prompt": ["ab", "c"]})").prompts, SizeIs(2));
  const auto tokens = Parse(R"({"prompt": [1, 2, 3]})");
  ASSERT_THAT(tokens.prompts, SizeIs(1));
  EXPECT_THAT(tokens.prompts[0].request.tokens, ElementsAre(1, 2, 3));
  const auto lists = Parse(R"({"prompt": [[1, 2], [3]]})");
  ASSERT_THAT(lists.prompts, SizeIs(2));
  EXPECT_THAT(lists.prompts[1].request.tokens, ElementsAre(3));
}

TEST_F(CompletionRequestTest, HasTheDefaultsOfOpenAi) {
  const TextRequest one = Parse(R"({"prompt": "ab"})").prompts[0].request;
  EXPECT_EQ(one.sampling.max_new_tokens, 16);
  EXPECT_EQ(one.sampling.temperature, 1.0);
  EXPECT_EQ(one.n, 1);
  EXPECT_FALSE(one.logprobs);
  EXPECT_NE(one.sampling.seed, Parse(R"({"prompt": "ab"})").prompts[0].request.sampling.seed);
}

TEST_F(CompletionRequestTest, HasTheLengthThatTheConfigurationStates) {
  defaults_.sampling.params.max_new_tokens = 40;
  EXPECT_EQ(Parse(R"({"prompt": "ab"})").prompts[0].request.sampling.max_new_tokens, 16);
  defaults_.stated["sampling.max_new_tokens"] = "--max-new-tokens";
  EXPECT_EQ(Parse(R"({"prompt": "ab"})").prompts[0].request.sampling.max_new_tokens, 40);
  EXPECT_EQ(
      Parse(R"({"prompt": "ab", "max_tokens": 5})").prompts[0].request.sampling.max_new_tokens, 5);
  EXPECT_FALSE(Parse(R"({"prompt": "ab", "echo": true})").prompt_only);
}

TEST_F(CompletionRequestTest, HasTheSeedThatTheConfigurationStates) {
  const auto seed = [&](const std::string& body) {
    return Parse(body).prompts[0].request.sampling.seed;
  };
  EXPECT_NE(seed(R"({"prompt": "ab"})"), seed(R"({"prompt": "ab"})"));
  const auto both = Parse(R"({"prompt": ["ab", "cd"]})").prompts;
  EXPECT_NE(both[0].request.sampling.seed, both[1].request.sampling.seed);
  defaults_.sampling.params.seed = 7;
  defaults_.stated["sampling.seed"] = "--seed";
  EXPECT_EQ(seed(R"({"prompt": "ab"})"), 7u);
  EXPECT_EQ(seed(R"({"prompt": "ab", "seed": 3})"), 3u);
  EXPECT_EQ(seed(R"({"prompt": "ab", "seed": -5.0})"), seed(R"({"prompt": "ab", "seed": -5})"));
}

TEST_F(CompletionRequestTest, TakesNullForMissingAndPassesOverWhatItDoesNotKnow) {
  const TextRequest one =
      Parse(R"({"prompt": "ab", "max_tokens": null, "stop": null, "logprobs": null, "seed": null,
                "echo": null, "stream": null, "suffix": null, "user": "me", "whatever": [1]})")
          .prompts[0]
          .request;
  EXPECT_EQ(one.sampling.max_new_tokens, 16);
}

TEST_F(CompletionRequestTest, ScoresThePromptForEchoAndForItsOwnLogprobs) {
  const auto scored = [&](const std::string& fields) {
    return Parse(R"({"prompt": "ab", )" + fields + "}").prompts[0].request.prompt_logprobs;
  };
  EXPECT_EQ(scored(R"("logprobs": 2)"), std::nullopt);
  EXPECT_EQ(scored(R"("logprobs": 2, "echo": true)"), 2);
  EXPECT_EQ(scored(R"("prompt_logprobs": 3)"), 3);
  EXPECT_EQ(scored(R"("prompt_logprobs": 3.0)"), 3);
  EXPECT_EQ(scored(R"("logprobs": 2, "echo": true, "prompt_logprobs": 3)"), 3);
  EXPECT_EQ(scored(R"("logprobs": 4, "echo": true, "prompt_logprobs": 3)"), 4);
  EXPECT_THAT(Refusal(R"({"prompt": "ab", "return_token_ids": 1})"), HasSubstr("true or false"));
}

TEST_F(CompletionRequestTest, ReadsWhatIsAskedFor) {
  const CompletionRequest read = Parse(R"({
      "model": "served", "prompt": "ab", "max_tokens": 5, "temperature": 0.5, "top_p": 0.5, "top_k": -1,
      "min_p": 0.1, "n": 2, "best_of": 3, "logprobs": 1, "stop": ["x", "y"], "seed": 7,
      "presence_penalty": 0.5, "frequency_penalty": 0.25, "repetition_penalty": 1.5,
      "logit_bias": {"5": 2}, "stop_token_ids": [3], "min_tokens": 1, "ignore_eos": true,
      "priority": 2, "echo": true})");
  const TextRequest& one = read.prompts[0].request;
  EXPECT_TRUE(read.echo);
  EXPECT_EQ(one.sampling.max_new_tokens, 5);
  EXPECT_EQ(one.sampling.temperature, 0.5);
  EXPECT_EQ(one.sampling.top_p, 0.5);
  EXPECT_EQ(one.sampling.top_k, 0);
  EXPECT_EQ(one.sampling.min_p, 0.1);
  EXPECT_EQ(one.n, 2);
  EXPECT_EQ(one.best_of, 3);
  EXPECT_EQ(one.logprobs, 1);
  EXPECT_EQ(one.prompt_logprobs, 1) << "for the echo";
  EXPECT_THAT(one.stop, ElementsAre("x", "y"));
  EXPECT_EQ(one.sampling.seed, 7u);
  EXPECT_EQ(one.sampling.presence_penalty, 0.5);
  EXPECT_EQ(one.sampling.frequency_penalty, 0.25);
  EXPECT_EQ(one.sampling.repetition_penalty, 1.5);
  EXPECT_THAT(one.sampling.logit_bias, ElementsAre(std::pair(5, 2.0)));
  EXPECT_THAT(one.sampling.stop_tokens, ElementsAre(3));
  EXPECT_EQ(one.sampling.min_tokens, 1);
  EXPECT_TRUE(one.sampling.ignore_eos);
  EXPECT_EQ(one.priority, 2);
}

TEST_F(CompletionRequestTest, SearchesWithBeams) {
  const TextRequest one =
      Parse(R"({"prompt": "ab", "use_beam_search": true, "n": 2, "best_of": 4})")
          .prompts[0]
          .request;
  EXPECT_EQ(one.beams.num_beams, 4);
  EXPECT_EQ(one.n, 2);
}

TEST_F(CompletionRequestTest, HasTheModelsDefaultsBeforeThoseOfOpenAi) {
  defaults_.sampling.params.temperature = 0.25;
  defaults_.stated["sampling.temperature"] = "generation_config.json";
  EXPECT_EQ(Parse(R"({"prompt": "ab"})").prompts[0].request.sampling.temperature, 0.25);
}

TEST_F(CompletionRequestTest, TakesWhatOtherServersTake) {
  const auto read = [&](const std::string& fields) {
    return Parse(R"({"prompt": "ab", )" + fields + "}").prompts[0].request.sampling;
  };
  EXPECT_EQ(read(R"("top_p": 0)").top_p, kLeastTopP);
  EXPECT_EQ(read(R"("temperature": 1e-8)").temperature, 0.0);
  EXPECT_EQ(read(R"("temperature": 1e-6)").temperature, 1e-6);
  EXPECT_NE(read(R"("seed": -1)").seed, read(R"("seed": -1)").seed) << "any";
  EXPECT_EQ(read(R"("seed": -5)").seed, std::uint64_t{0} - 5);
  EXPECT_EQ(read(R"("seed": 18446744073709551615)").seed, std::uint64_t{0} - 1);
  EXPECT_THAT(Parse(R"({"prompt": "ab", "model": ""})").prompts, SizeIs(1));
}

TEST_F(CompletionRequestTest, NamesTheFieldAtFaultAsTheClientDoes) {
  const auto fault = [&](const std::string& body) -> std::string {
    try {
      Parse(body);
    } catch (const ApiError& error) {
      return error.param() + ": " + error.what();
    }
    return "accepted";
  };
  EXPECT_EQ(fault(R"({"prompt": "ab", "max_tokens": 4, "min_tokens": 5})"),
            "min_tokens: prompt 0: min_tokens is 5; expected 0 to max_tokens, which is 4");
  EXPECT_THAT(fault(R"({"prompt": "ab", "max_tokens": "4"})"),
              testing::StartsWith("max_tokens: prompt 0: \"max_tokens\" is \"4\""));
  EXPECT_THAT(fault(R"({"prompt": "ab", "logit_bias": {"5": -200}})"),
              testing::StartsWith("logit_bias: "));
  EXPECT_THAT(fault(R"({"prompt": [-1]})"), testing::StartsWith("prompt: "));
  // What only the engine knows is said before an answer begins, too.
  EXPECT_EQ(fault(R"({"prompt": "ab", "stream": true, "logit_bias": {"99999": 1}})"),
            "logit_bias: prompt 0: logit_bias holds token id 99999; expected 0 to 89");
  EXPECT_THAT(fault(R"({"prompt": ["ab", "a"], "stop_token_ids": [90]})"),
              testing::StartsWith("stop_token_ids: prompt 0: "));
  EXPECT_THAT(fault(R"({"prompt": "ab", "allowed_token_ids": [90]})"),
              testing::StartsWith("allowed_token_ids: "));
  EXPECT_THAT(fault(R"({"prompt": "ab", "logprobs": 91})"),
              testing::StartsWith("logprobs: prompt 0: logprobs is 91; expected 0 to 90"));
  EXPECT_THAT(fault(R"({"prompt": "ab", "allowed_token_ids": [5], "stop_token_ids": [5],
                        "min_tokens": 2})"),
              testing::StartsWith("min_tokens: prompt 0: no token is left"));
  EXPECT_THAT(fault(R"({"prompt": [100000]})"), testing::StartsWith("prompt: "));
  EXPECT_THAT(fault(R"({"seed)"), testing::StartsWith(": the request: not valid JSON"));
}

TEST_F(CompletionRequestTest, SaysWhatIsWrong) {
  EXPECT_THAT(Refusal("{"), HasSubstr("400: the request: not valid JSON at byte 2"));
  EXPECT_EQ(Refusal("[]"), "400: the request is []; expected an object");
  EXPECT_THAT(Refusal("{}"), HasSubstr("400: prompt is missing; expected a text"));
  EXPECT_THAT(Refusal(R"({"prompt": []})"), HasSubstr("prompt is an empty list"));
  EXPECT_THAT(Refusal(R"({"prompt": ["a", 1]})"), HasSubstr("prompt is a list with 1"));
  EXPECT_THAT(Refusal(R"({"prompt": 5})"), HasSubstr("prompt is 5"));
  EXPECT_THAT(Refusal(R"({"prompt": ""})"), HasSubstr("\"prompt\" is empty"));
  EXPECT_THAT(Refusal(R"({"prompt": [100000]})"), HasSubstr("token 0 is 100000"));
  EXPECT_THAT(Refusal(R"({"prompt": [-1]})"), HasSubstr("400: "));
  EXPECT_THAT(Refusal(R"({"prompt": "a", "model": "other"})"),
              HasSubstr("404: the model \"other\" does not exist; this server has \"served\""));
  EXPECT_THAT(Refusal(R"({"prompt": "a", "stream": 1})"), HasSubstr("stream is 1"));
  EXPECT_THAT(Refusal(R"({"prompt": "a", "temperature": "hot"})"), HasSubstr("temperature"));
  EXPECT_THAT(Refusal(R"({"prompt": "a", "max_tokens": 1e99})"), HasSubstr("400: "));
  EXPECT_THAT(Refusal(R"({"prompt": "a", "suffix": "b"})"), HasSubstr("suffix is not supported"));
  EXPECT_EQ(Refusal(R"({"prompt": "a", "echo": true, "logprobs": 1, "prompt_logprobs": -1})"),
            "400: prompt_logprobs is -1; expected a whole number from 0 to 1048576");
  EXPECT_THAT(Refusal(R"({"prompt": "a", "stream_options": {}})"),
              HasSubstr("stream_options goes with stream"));
  EXPECT_THAT(Refusal(R"({"prompt": "a", "stream": true, "n": 1, "best_of": 2})"),
              HasSubstr("cannot be streamed"));
}

// Clients look for these words.
TEST_F(CompletionRequestTest, NamesFieldsAsClientsDo) {
  const auto refusal = [&](const std::string& body) -> ApiError {
    try {
      Parse(body);
    } catch (const ApiError& error) {
      return error;
    }
    return {0, "accepted"};
  };
  const ApiError tokens = refusal(R"({"prompt": "a", "max_tokens": 0})");
  EXPECT_EQ(tokens.param(), "max_tokens");
  EXPECT_THAT(tokens.what(), HasSubstr("\"max_tokens\" is 0"));
  EXPECT_EQ(refusal(R"({"prompt": "a", "temperature": -1})").param(), "temperature");
  EXPECT_EQ(refusal(R"({"prompt": "a", "top_p": "b"})").param(), "top_p");
  const ApiError beams = refusal(R"({"prompt": "a", "use_beam_search": true, "n": 65})");
  EXPECT_EQ(beams.param(), "n");
  EXPECT_THAT(beams.what(), HasSubstr("\"n\" is 65; expected an integer from 1 to 64"));
  EXPECT_EQ(refusal(R"({"prompt": "a", "use_beam_search": true, "best_of": 65})").param(),
            "best_of");
}

TEST_F(CompletionRequestTest, TakesNoTokensWhereThePromptIsEchoed) {
  const CompletionRequest request = Parse(R"({"prompt": "ab", "echo": true, "max_tokens": 0})");
  EXPECT_TRUE(request.prompt_only);
  EXPECT_EQ(request.prompts[0].request.sampling.max_new_tokens, 1);
}

TEST_F(CompletionRequestTest, NamesTheContextWhereItIsTooShort) {
  const std::string tokens = fmt::format(
      "This model's maximum context length is {} tokens. However, ", spec_.context_tokens);
  EXPECT_THAT(
      Refusal(fmt::format(R"({{"prompt": [1, 2], "max_tokens": {}}})", spec_.context_tokens - 1)),
      HasSubstr("400: " + tokens + "you requested"));
  EXPECT_EQ(
      Refusal(fmt::format(R"({{"prompt": [1, 2], "max_tokens": {}}})", spec_.context_tokens - 2)),
      "accepted");
  EXPECT_THAT(Refusal(R"({"prompt": [1, 2], "max_tokens": 9223372036854775807})"),
              HasSubstr("400: " + tokens + "you requested 9223372036854775809 tokens"));
  EXPECT_THAT(Refusal(fmt::format(R"({{"prompt": "{}"}})", std::string(5000, 'b'))),
              HasSubstr("400: " + tokens));
}

}  // namespace
}  // namespace lockstep
