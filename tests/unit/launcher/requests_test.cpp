#include "launcher/commands/requests.h"

#include <limits>

#include "expect_error.h"
#include "launcher/commands/json_lines.h"
#include "tests/support/byte_tokenizer.h"

namespace lockstep {
namespace {

using testing::ElementsAre;

std::vector<GenerateRequest> ReadGenerate(const std::string& text) {
  SamplingOptions defaults;
  defaults.params.top_k = 5;
  defaults.params.seed = 99;
  defaults.stop = {"."};
  std::vector<GenerateRequest> requests;
  ForEachLine(text, "in.jsonl", [&](std::string_view line, const std::string& where) {
    const auto index = static_cast<std::int64_t>(requests.size());
    requests.push_back(ParseGenerateLine(line, where, index, defaults));
  });
  return requests;
}

std::string GenerateError(const std::string& text) {
  return MessageOf([&] { ReadGenerate(text); });
}

std::string ScoreError(const std::string& text) {
  return MessageOf([&] { ParseScoreLines(text, "in.jsonl"); });
}

Tokenizer Letters() { return Tokenizer::FromJson(ByteTokenizerJson(90), "test"); }

ModelSpec SmallModel() {
  ModelSpec spec;
  spec.vocab_rows = 100;
  spec.context_tokens = 8;
  return spec;
}

TEST(ParseGenerateLines, TakesFieldsFromTheLineAndTheRestFromTheDefaults) {
  const auto requests = ReadGenerate(
      "{\"prompt\": \"a\"}\n"
      "\n"
      "  \r\n"
      "{\"id\": \"x\", \"tokens\": [1, 2], \"max_new_tokens\": 3, \"temperature\": 0.5, "
      "\"top_k\": 0, \"top_p\": 1, \"seed\": 7, \"stop\": \"!\", \"ignore_eos\": true}");
  ASSERT_EQ(requests.size(), 2u);
  EXPECT_EQ(requests[0].where, "in.jsonl:1");
  EXPECT_EQ(requests[0].id, 0);
  EXPECT_EQ(requests[0].request.prompt, "a");
  EXPECT_EQ(requests[0].request.sampling.top_k, 5);
  EXPECT_EQ(requests[0].request.sampling.max_new_tokens, 128);
  EXPECT_THAT(requests[0].request.stop, ElementsAre("."));
  const TextRequest& second = requests[1].request;
  EXPECT_EQ(requests[1].where, "in.jsonl:4");
  EXPECT_EQ(requests[1].id, "x");
  EXPECT_THAT(second.tokens, ElementsAre(1, 2));
  EXPECT_EQ(second.sampling.max_new_tokens, 3);
  EXPECT_EQ(second.sampling.temperature, 0.5);
  EXPECT_EQ(second.sampling.top_k, 0);
  EXPECT_EQ(second.sampling.top_p, 1.0);
  EXPECT_TRUE(second.sampling.ignore_eos);
  EXPECT_THAT(second.stop, ElementsAre("!"));
}

TEST(ParseGenerateLines, GivesLinesStreamsOfTheirOwnUnlessTheyHaveSeeds) {
  const auto requests = ReadGenerate(
      "{\"prompt\": \"a\"}\n{\"prompt\": \"a\"}\n"
      "{\"prompt\": \"a\", \"seed\": 18446744073709551615}\n");
  EXPECT_EQ(requests[0].request.sampling.seed, 99u);
  EXPECT_EQ(requests[0].request.sampling.stream, 0u);
  EXPECT_EQ(requests[1].request.sampling.seed, 99u);
  EXPECT_EQ(requests[1].request.sampling.stream, 1u);
  EXPECT_EQ(requests[2].request.sampling.seed, std::numeric_limits<std::uint64_t>::max());
  EXPECT_EQ(requests[2].request.sampling.stream, 0u);
}

TEST(ParseGenerateLines, TakesNullForNotGiven) {
  const auto requests = ReadGenerate("{\"prompt\": \"a\", \"tokens\": null, \"id\": null}");
  EXPECT_EQ(requests[0].id, 0);
}

struct BadLine {
  const char* name;
  const char* line;
  const char* message;
};

class RefusedLine : public testing::TestWithParam<BadLine> {};

TEST_P(RefusedLine, NamesTheLineAndWhatWasExpected) {
  const std::string text = std::string("{\"prompt\": \"good\"}\n\n") + GetParam().line + "\n";
  EXPECT_THAT(GenerateError(text), testing::StartsWith(GetParam().message));
}

INSTANTIATE_TEST_SUITE_P(
    ParseGenerateLines, RefusedLine,
    testing::Values(
        BadLine{"NotJson", "{\"prompt\": ", "in.jsonl:3: not valid JSON at byte "},
        BadLine{"TwoValues", "{\"prompt\": \"a\"} {}", "in.jsonl:3: not valid JSON at byte "},
        BadLine{"NotUtf8", "{\"prompt\": \"\xff\"}", "in.jsonl:3: not valid JSON at byte "},
        BadLine{"DuplicateField", "{\"prompt\": \"a\", \"prompt\": \"b\"}",
                "in.jsonl:3: the key \"prompt\" stands twice"},
        BadLine{"List", "[1, 2]",
                "in.jsonl:3: found [1,2]; expected an object such as {\"prompt\": ...}"},
        BadLine{"UnknownField", "{\"prompt\": \"a\", \"max_new_token\": 3}",
                "in.jsonl:3: unknown field \"max_new_token\"; the nearest known one is "
                "\"max_new_tokens\""},
        BadLine{"FieldOfOtherPrograms", "{\"prompt\": \"a\", \"max_tokens\": 3}",
                "in.jsonl:3: unknown field \"max_tokens\"; the nearest known one is "
                "\"max_new_tokens\""},
        BadLine{"NoText", "{\"id\": 3}",
                "in.jsonl:3: found neither \"prompt\" nor \"tokens\"; expected one of them"},
        BadLine{"BothTexts", "{\"prompt\": \"a\", \"tokens\": [1]}",
                "in.jsonl:3: found both \"prompt\" and \"tokens\"; expected one of them"},
        BadLine{"EmptyPrompt", "{\"prompt\": \"\"}", "in.jsonl:3: \"prompt\" is empty"},
        BadLine{"NoTokens", "{\"tokens\": []}", "in.jsonl:3: \"tokens\" is empty"},
        BadLine{"PromptIsANumber", "{\"prompt\": 5}",
                "in.jsonl:3: \"prompt\" is 5; expected a string"},
        BadLine{"TokensAreText", "{\"tokens\": \"a\"}",
                "in.jsonl:3: \"tokens\" is \"a\"; expected a list of token ids"},
        BadLine{"TokenIsNegative", "{\"tokens\": [1, -1]}",
                "in.jsonl:3: \"tokens\"[1] is -1; expected a token id from 0 to 2147483647"},
        BadLine{"TokenIsAFraction", "{\"tokens\": [1.5]}", "in.jsonl:3: \"tokens\"[0] is 1.5;"},
        BadLine{"TokenIsTooLarge", "{\"tokens\": [2147483648]}",
                "in.jsonl:3: \"tokens\"[0] is 2147483648;"},
        BadLine{"IdIsAList", "{\"prompt\": \"a\", \"id\": [1]}",
                "in.jsonl:3: \"id\" is [1]; expected a string or an integer"},
        BadLine{"TemperatureIsText", "{\"prompt\": \"a\", \"temperature\": \"hot\"}",
                "in.jsonl:3: \"temperature\" is \"hot\"; expected a number"},
        BadLine{"TemperatureIsNegative", "{\"prompt\": \"a\", \"temperature\": -1}",
                "in.jsonl:3: temperature is -1; expected 0 (greedy) or more"},
        BadLine{"NoNewTokens", "{\"prompt\": \"a\", \"max_new_tokens\": 0}",
                "in.jsonl:3: max_new_tokens is 0; expected 1 or more"},
        BadLine{"TopP", "{\"prompt\": \"a\", \"top_p\": 1.5}", "in.jsonl:3: top_p is 1.5;"},
        BadLine{"Seed", "{\"prompt\": \"a\", \"seed\": -1}", "in.jsonl:3: \"seed\" is -1;"},
        BadLine{"LogitBias", "{\"prompt\": \"a\", \"logit_bias\": {\"x\": 1}}",
                "in.jsonl:3: \"logit_bias\" is {\"x\":1}; expected an object of token ids and "
                "numbers"},
        BadLine{"BiasTooLarge", "{\"prompt\": \"a\", \"logit_bias\": {\"5\": 101}}",
                "in.jsonl:3: logit_bias of token 5 is 101; expected -100 to 100"},
        BadLine{"MinP", "{\"prompt\": \"a\", \"min_p\": 2}", "in.jsonl:3: min_p is 2;"},
        BadLine{"RepetitionPenalty", "{\"prompt\": \"a\", \"repetition_penalty\": 0}",
                "in.jsonl:3: repetition_penalty is 0; expected more than 0, 1 is off"},
        BadLine{"FrequencyPenalty", "{\"prompt\": \"a\", \"frequency_penalty\": -3}",
                "in.jsonl:3: frequency_penalty is -3; expected -2 to 2, 0 is off"},
        BadLine{"MinTokens", "{\"prompt\": \"a\", \"min_tokens\": 5, \"max_new_tokens\": 4}",
                "in.jsonl:3: min_tokens is 5; expected 0 to max_new_tokens, which is 4"},
        BadLine{"NothingAllowed",
                "{\"prompt\": \"a\", \"allowed_token_ids\": [1], \"banned_token_ids\": [1]}",
                "in.jsonl:3: every one of allowed_token_ids is in banned_token_ids"},
        BadLine{"Samples", "{\"prompt\": \"a\", \"n\": 0}", "in.jsonl:3: n is 0; expected 1 to"},
        BadLine{"GreedySamples", "{\"prompt\": \"a\", \"n\": 2}",
                "in.jsonl:3: 2 samples at temperature 0 would all be the same"},
        BadLine{"BestOf", "{\"prompt\": \"a\", \"n\": 3, \"best_of\": 2, \"temperature\": 1}",
                "in.jsonl:3: best_of is 2; expected n, which is 3, to"},
        BadLine{"Priority", "{\"prompt\": \"a\", \"priority\": 1000001}",
                "in.jsonl:3: priority is 1000001;"},
        BadLine{"EmptyStop", "{\"prompt\": \"a\", \"stop\": [\"b\", \"\"]}",
                "in.jsonl:3: \"stop\" is [\"b\",\"\"]; expected a text or a list of texts"},
        BadLine{"StopIsANumber", "{\"prompt\": \"a\", \"stop\": 3}",
                "in.jsonl:3: \"stop\" is 3; expected a text or a list of texts"}),
    [](const auto& test) { return std::string(test.param.name); });

TEST(ParseGenerateLine, TakesEverySamplingControl) {
  const TextRequest request =
      ReadGenerate(
          "{\"prompt\": \"a\", \"min_p\": 0.1, \"repetition_penalty\": 1.2, "
          "\"presence_penalty\": 0.5, \"frequency_penalty\": -0.5, "
          "\"logit_bias\": {\"7\": -3}, \"allowed_token_ids\": [7, 8], "
          "\"banned_token_ids\": [8], \"min_tokens\": 2, \"stop_token_ids\": [9], "
          "\"temperature\": 1, \"n\": 2, \"best_of\": 4, \"logprobs\": 3, "
          "\"prompt_logprobs\": 0, \"priority\": -1}")
          .at(0)
          .request;
  const SamplingParams& params = request.sampling;
  EXPECT_EQ(params.min_p, 0.1);
  EXPECT_EQ(params.repetition_penalty, 1.2);
  EXPECT_EQ(params.presence_penalty, 0.5);
  EXPECT_EQ(params.frequency_penalty, -0.5);
  EXPECT_THAT(params.logit_bias, ElementsAre(std::pair(7, -3.0)));
  EXPECT_THAT(params.allowed_tokens, ElementsAre(7, 8));
  EXPECT_THAT(params.banned_tokens, ElementsAre(8));
  EXPECT_EQ(params.min_tokens, 2);
  EXPECT_THAT(params.stop_tokens, ElementsAre(9));
  EXPECT_EQ(request.n, 2);
  EXPECT_EQ(request.best_of, 4);
  EXPECT_EQ(request.logprobs, 3);
  EXPECT_EQ(request.prompt_logprobs, 0);
  EXPECT_EQ(request.priority, -1);
}

TEST(ParseScoreLines, ReadsTextAndTokens) {
  const auto requests = ParseScoreLines("{\"text\": \"a\"}\n{\"id\": -4, \"tokens\": [3]}", "s");
  ASSERT_EQ(requests.size(), 2u);
  EXPECT_EQ(requests[0].text, "a");
  EXPECT_EQ(requests[0].id, 0);
  EXPECT_EQ(requests[1].id, -4);
  EXPECT_THAT(requests[1].tokens, ElementsAre(3));
  EXPECT_TRUE(HasText(requests));
  EXPECT_FALSE(HasText({requests[1]}));
}

TEST(ParseScoreLines, RefusesFieldsOfGenerate) {
  EXPECT_EQ(ScoreError("{\"text\": \"a\", \"txt\": 1}"),
            "in.jsonl:1: unknown field \"txt\"; the nearest known one is \"text\"");
  EXPECT_THAT(ScoreError("{\"text\": \"a\", \"top_k\": 1}"), testing::HasSubstr("\"top_k\""));
}

TEST(Prepare, TokenizesPromptsAndSpellsTokensOut) {
  auto requests = ReadGenerate("{\"prompt\": \"ABC\"}\n{\"tokens\": [32, 33]}");
  for (GenerateRequest& one : requests) Prepare(one, Letters(), SmallModel());
  EXPECT_THAT(requests[0].request.tokens, ElementsAre(32, 33, 34));
  EXPECT_EQ(requests[1].request.prompt, "AB");
}

TEST(Prepare, RefusesPromptsThatLeaveNoRoom) {
  auto fits = ReadGenerate("{\"prompt\": \"ABCDEFG\"}");
  EXPECT_NO_THROW(Prepare(fits[0], Letters(), SmallModel()));
  auto requests = ReadGenerate("{\"prompt\": \"A\"}\n{\"prompt\": \"ABCDEFGH\"}");
  EXPECT_EQ(MessageOf([&] { Prepare(requests[1], Letters(), SmallModel()); }),
            "in.jsonl:2: the prompt has 8 tokens; the model's context holds 8, of which at least "
            "one is for the continuation; shorten the prompt");
}

TEST(Prepare, LetsScoreUseTheWholeContext) {
  auto fits = ParseScoreLines("{\"tokens\": [1, 2, 3, 4, 5, 6, 7, 8]}", "s.jsonl");
  EXPECT_NO_THROW(Prepare(fits, nullptr, SmallModel()));
  auto requests = ParseScoreLines("{\"tokens\": [1, 2, 3, 4, 5, 6, 7, 8, 9]}", "s.jsonl");
  EXPECT_EQ(MessageOf([&] { Prepare(requests, nullptr, SmallModel()); }),
            "s.jsonl:1: the text has 9 tokens; the model's context holds 8; shorten the text");
}

TEST(Prepare, RefusesIdsThatTheModelHasNoRowsFor) {
  auto requests = ParseScoreLines("{\"tokens\": [99, 100]}", "s.jsonl");
  EXPECT_EQ(MessageOf([&] { Prepare(requests, nullptr, SmallModel()); }),
            "s.jsonl:1: token 1 is 100; the model's ids are 0 to 99");
}

TEST(FormatResult, HasTheContractsFieldsInOrder) {
  GenerateRequest request;
  request.id = "a";
  request.request.prompt = "q\"";
  TextResult result{.samples = {{"t\n", {1, 2}, FinishReason::kStop, {}, 0.5f}},
                    .prompt_logprobs = {}};
  EXPECT_EQ(FormatResult(request, result),
            "{\"id\":\"a\",\"prompt\":\"q\\\"\",\"text\":\"t\\n\",\"tokens\":[1,2],"
            "\"finish_reason\":\"stop\",\"score\":0.5}\n");
}

TEST(FormatResult, HasLogprobsAndSamplesWhereAsked) {
  GenerateRequest request;
  request.id = 1;
  request.request.prompt = "q";
  request.request.n = 2;
  request.request.logprobs = 1;
  request.request.prompt_logprobs = 0;
  const TokenLogprob one{.token = 4, .logprob = -0.5f, .top = 9, .likeliest = {{9, -0.25f}}};
  TextResult result{.samples = {{"t", {4}, FinishReason::kLength, {one}, {}},
                                {"u", {5}, FinishReason::kEos, {one}, {}}},
                    .prompt_logprobs = {{.token = 3, .logprob = -2.0f, .likeliest = {}}}};
  EXPECT_EQ(FormatResult(request, result),
            "{\"id\":1,\"prompt\":\"q\",\"prompt_logprobs\":[null,-2.0],\"samples\":["
            "{\"text\":\"t\",\"tokens\":[4],\"finish_reason\":\"length\",\"logprobs\":[-0.5],"
            "\"top_logprobs\":[[[9,-0.25]]]},"
            "{\"text\":\"u\",\"tokens\":[5],\"finish_reason\":\"eos\",\"logprobs\":[-0.5],"
            "\"top_logprobs\":[[[9,-0.25]]]}]}\n");
}

TEST(FormatError, KeepsTheIdWhereItCanBeRead) {
  EXPECT_EQ(FormatError("{\"id\": \"x\", \"promt\": 1}", 5, "in.jsonl:6: no"),
            "{\"id\":\"x\",\"error\":\"in.jsonl:6: no\"}\n");
  EXPECT_EQ(FormatError("{\"id\": \"x\", ", 5, "no"), "{\"id\":5,\"error\":\"no\"}\n");
}

TEST(FormatScore, BeginsWithNullAndWritesTheShortestNumbers) {
  ScoreRequest request;
  request.id = 18446744073709551615u;
  request.tokens = {5, 6};
  EXPECT_EQ(FormatScore(request, {{-0.1f}, {7}}),
            "{\"id\":18446744073709551615,\"tokens\":[5,6],\"logprobs\":[null,-0.1],"
            "\"top\":[null,7]}\n");
}

}  // namespace
}  // namespace lockstep
