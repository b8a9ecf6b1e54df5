#include "launcher/commands/requests.h"

#include <limits>

#include "expect_error.h"
#include "tests/support/byte_tokenizer.h"

namespace lockstep {
namespace {

using testing::ElementsAre;

std::vector<GenerateRequest> ReadGenerate(const std::string& text) {
  SamplingOptions defaults;
  defaults.params.top_k = 5;
  defaults.params.seed = 99;
  defaults.stop = {"."};
  return ParseGenerateLines(text, "in.jsonl", defaults);
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
        BadLine{"UnknownField", "{\"prompt\": \"a\", \"max_tokens\": 3}",
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
        BadLine{"EmptyStop", "{\"prompt\": \"a\", \"stop\": [\"b\", \"\"]}",
                "in.jsonl:3: \"stop\" is [\"b\",\"\"]; expected a text or a list of texts"},
        BadLine{"StopIsANumber", "{\"prompt\": \"a\", \"stop\": 3}",
                "in.jsonl:3: \"stop\" is 3; expected a text or a list of texts"}),
    [](const auto& test) { return std::string(test.param.name); });

TEST(ParseGenerateLines, RefusesAFileWithoutRequests) {
  EXPECT_EQ(GenerateError("\n \n"), "in.jsonl: holds no lines; expected at least one request");
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
  Prepare(requests, Letters(), SmallModel());
  EXPECT_THAT(requests[0].request.tokens, ElementsAre(32, 33, 34));
  EXPECT_EQ(requests[1].request.prompt, "AB");
}

TEST(Prepare, RefusesPromptsThatLeaveNoRoom) {
  auto fits = ReadGenerate("{\"prompt\": \"ABCDEFG\"}");
  EXPECT_NO_THROW(Prepare(fits, Letters(), SmallModel()));
  auto requests = ReadGenerate("{\"prompt\": \"A\"}\n{\"prompt\": \"ABCDEFGH\"}");
  EXPECT_EQ(MessageOf([&] { Prepare(requests, Letters(), SmallModel()); }),
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
  EXPECT_EQ(FormatResult(request, {"t\n", {1, 2}, FinishReason::kStop}),
            "{\"id\":\"a\",\"prompt\":\"q\\\"\",\"text\":\"t\\n\",\"tokens\":[1,2],"
            "\"finish_reason\":\"stop\"}\n");
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
