#include "api/requests.h"

#include <gmock/gmock.h>

#include <cmath>
#include <limits>

#include "lines.h"
#include "runtime/options/option_table.h"
#include "tests/support/message_of.h"

namespace lockstep {
namespace {

using testing::ElementsAre;

std::string GenerateError(const std::string& text) {
  return MessageOf([&] { ReadGenerate(text); });
}

std::string ScoreError(const std::string& line) {
  return MessageOf([&] { ReadScore(line); });
}

TEST(ParseGenerateLines, TakesFieldsFromTheLineAndTheRestFromTheDefaults) {
  const auto requests = ReadGenerate(
      "{\"prompt\": \"a\"}\n"
      "\n"
      "  \r\n"
      "{\"id\": \"x\", \"tokens\": [1, 2], \"max_new_tokens\": 3, \"temperature\": 0.5, "
      "\"top_k\": 0, \"top_p\": 1, \"seed\": 7, \"stop\": \"!\", \"ignore_eos\": true, "
      "\"include_stop_str_in_output\": true}");
  ASSERT_EQ(requests.size(), 2u);
  EXPECT_EQ(requests[0].where, "in.jsonl:1");
  EXPECT_EQ(requests[0].id, 0);
  EXPECT_EQ(requests[0].request.prompt, "a");
  EXPECT_EQ(requests[0].request.sampling.top_k, 5);
  EXPECT_EQ(requests[0].request.sampling.max_new_tokens, 128);
  EXPECT_THAT(requests[0].request.stop, ElementsAre("."));
  EXPECT_FALSE(requests[0].request.include_stop);
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
  EXPECT_TRUE(second.include_stop);
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
        BadLine{"FieldOfOtherPrograms", "{\"prompt\": \"a\", \"max_length\": 3}",
                "in.jsonl:3: unknown field \"max_length\"; it counts the prompt too; "
                "max_new_tokens"},
        BadLine{"SameFieldByTwoNames",
                "{\"prompt\": \"a\", \"max_tokens\": 3, \"max_new_tokens\": 3}",
                "in.jsonl:3: \"max_tokens\" and \"max_new_tokens\" are the same; give one"},
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
                "in.jsonl:3: \"temperature\" is \"hot\"; expected 0 or a number"},
        BadLine{"TemperatureIsNegative", "{\"prompt\": \"a\", \"temperature\": -1}",
                "in.jsonl:3: \"temperature\" is -1; expected 0 or a number from 1e-06 to 1000000"},
        BadLine{"TemperatureIsTooLow", "{\"prompt\": \"a\", \"temperature\": 1e-310}",
                "in.jsonl:3: \"temperature\" is 1e-310; expected 0 or a number from 1e-06"},
        BadLine{"TemperatureIsTooHigh", "{\"prompt\": \"a\", \"temperature\": 1e300}",
                "in.jsonl:3: \"temperature\" is 1e+300;"},
        BadLine{"TemperatureIsTrue", "{\"prompt\": \"a\", \"temperature\": true}",
                "in.jsonl:3: \"temperature\" is true;"},
        BadLine{"NoNewTokens", "{\"prompt\": \"a\", \"max_new_tokens\": 0}",
                "in.jsonl:3: \"max_new_tokens\" is 0; expected an integer of 1 or more"},
        BadLine{"HalfAToken", "{\"prompt\": \"a\", \"max_new_tokens\": 2.5}",
                "in.jsonl:3: \"max_new_tokens\" is 2.5; expected an integer"},
        BadLine{"TopKIsNegative", "{\"prompt\": \"a\", \"top_k\": -1}",
                "in.jsonl:3: \"top_k\" is -1; expected an integer of 0 or more"},
        BadLine{"TopP", "{\"prompt\": \"a\", \"top_p\": 1.5}", "in.jsonl:3: \"top_p\" is 1.5;"},
        BadLine{"NoTopP", "{\"prompt\": \"a\", \"top_p\": 0}", "in.jsonl:3: \"top_p\" is 0;"},
        BadLine{"SeedTooLarge", "{\"prompt\": \"a\", \"seed\": 18446744073709551616}",
                "in.jsonl:3: \"seed\" is 1.8446744073709552e+19; expected an integer from 0"},
        BadLine{"NothingAllowedAtAll", "{\"prompt\": \"a\", \"allowed_token_ids\": []}",
                "in.jsonl:3: \"allowed_token_ids\" is empty"},
        BadLine{"LengthPenalty", "{\"prompt\": \"a\", \"length_penalty\": 1e308}",
                "in.jsonl:3: \"length_penalty\" is 1e+308; expected a number from -100 to 100"},
        BadLine{"EarlyStopping", "{\"prompt\": \"a\", \"early_stopping\": 1}",
                "in.jsonl:3: \"early_stopping\" is 1; expected false or true or never"},
        BadLine{"ManySamples", "{\"prompt\": \"a\", \"n\": 1000000000}",
                "in.jsonl:3: \"n\" is 1000000000; expected an integer from 1 to 1024"},
        BadLine{"PromptLogprobs", "{\"prompt\": \"a\", \"prompt_logprobs\": -1}",
                "in.jsonl:3: \"prompt_logprobs\" is -1;"},
        BadLine{"Seed", "{\"prompt\": \"a\", \"seed\": -1}", "in.jsonl:3: \"seed\" is -1;"},
        BadLine{"LogitBias", "{\"prompt\": \"a\", \"logit_bias\": {\"x\": 1}}",
                "in.jsonl:3: \"logit_bias\" is {\"x\":1}; expected an object of token ids and "
                "numbers"},
        BadLine{"BiasOfMinusZero", "{\"prompt\": \"a\", \"logit_bias\": {\"-0\": 1}}",
                "in.jsonl:3: \"logit_bias\" is {\"-0\":1}; expected an object of token ids"},
        BadLine{"BiasTooLarge", "{\"prompt\": \"a\", \"logit_bias\": {\"5\": 101}}",
                "in.jsonl:3: logit_bias of token 5 is 101; expected -100 to 100"},
        BadLine{"MinP", "{\"prompt\": \"a\", \"min_p\": 2}", "in.jsonl:3: \"min_p\" is 2;"},
        BadLine{"RepetitionPenalty", "{\"prompt\": \"a\", \"repetition_penalty\": 0}",
                "in.jsonl:3: \"repetition_penalty\" is 0; expected a number from 0.001 to 1000"},
        BadLine{"FrequencyPenalty", "{\"prompt\": \"a\", \"frequency_penalty\": -3}",
                "in.jsonl:3: \"frequency_penalty\" is -3; expected a number from -2 to 2"},
        BadLine{"MinTokens", "{\"prompt\": \"a\", \"min_tokens\": 5, \"max_new_tokens\": 4}",
                "in.jsonl:3: min_tokens is 5; expected 0 to max_new_tokens, which is 4"},
        BadLine{"NothingAllowed",
                "{\"prompt\": \"a\", \"allowed_token_ids\": [1], \"banned_token_ids\": [1]}",
                "in.jsonl:3: every one of allowed_token_ids is in banned_token_ids"},
        BadLine{"Samples", "{\"prompt\": \"a\", \"n\": 0}",
                "in.jsonl:3: \"n\" is 0; expected an integer from 1 to"},
        BadLine{"GreedySamples", "{\"prompt\": \"a\", \"n\": 2}",
                "in.jsonl:3: 2 samples at temperature 0 would all be the same"},
        BadLine{"BestOf", "{\"prompt\": \"a\", \"n\": 3, \"best_of\": 2, \"temperature\": 1}",
                "in.jsonl:3: best_of is 2; expected n, which is 3, to"},
        BadLine{"Priority", "{\"prompt\": \"a\", \"priority\": 1000001}",
                "in.jsonl:3: \"priority\" is 1000001;"},
        BadLine{"EmptyStop", "{\"prompt\": \"a\", \"stop\": [\"b\", \"\"]}",
                "in.jsonl:3: \"stop\" is [\"b\",\"\"]; expected a text or a list of texts"},
        BadLine{"StopIsANumber", "{\"prompt\": \"a\", \"stop\": 3}",
                "in.jsonl:3: \"stop\" is 3; expected a text or a list of texts"},
        BadLine{"IncludeStopIsText", "{\"prompt\": \"a\", \"include_stop_str_in_output\": \"yes\"}",
                "in.jsonl:3: \"include_stop_str_in_output\" is \"yes\"; expected true or false"}),
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

TEST(ParseGenerateLine, TakesIntegersThatAreWrittenAsFractions) {
  const TextRequest request = ReadGenerate(
                                  "{\"tokens\": [3.0, 1e1], \"max_new_tokens\": 1e3, "
                                  "\"top_k\": 40.0, \"seed\": 7.0, \"priority\": 2.0}")
                                  .at(0)
                                  .request;
  EXPECT_THAT(request.tokens, ElementsAre(3, 10));
  EXPECT_EQ(request.sampling.max_new_tokens, 1000);
  EXPECT_EQ(request.sampling.top_k, 40);
  EXPECT_EQ(request.sampling.seed, 7u);
  EXPECT_EQ(request.priority, 2);
}

TEST(ParseGenerateLine, TakesAnyTopKAndAnyLength) {
  const SamplingParams params = ReadGenerate(
                                    "{\"prompt\": \"a\", \"top_k\": 4611686018427387904,"
                                    " \"max_new_tokens\": 9223372036854775807}")
                                    .at(0)
                                    .request.sampling;
  EXPECT_EQ(params.top_k, std::int64_t{1} << 62);
  EXPECT_EQ(params.max_new_tokens, std::numeric_limits<std::int64_t>::max());
}

TEST(ParseGenerateLine, TakesNegativeZeroForZero) {
  const auto request = ReadGenerate("{\"prompt\": \"a\", \"temperature\": -0.0}").at(0).request;
  EXPECT_FALSE(std::signbit(request.sampling.temperature));
}

TEST(ParseGenerateLine, KnowsWhatOtherProgramsCallFields) {
  const TextRequest request = ReadGenerate(
                                  "{\"input_ids\": [1], \"max_tokens\": 3, \"temp\": 1, "
                                  "\"num_return_sequences\": 2, \"stop_strings\": [\"x\"], "
                                  "\"suppress_tokens\": [4], \"min_new_tokens\": 1}")
                                  .at(0)
                                  .request;
  EXPECT_THAT(request.tokens, ElementsAre(1));
  EXPECT_EQ(request.sampling.max_new_tokens, 3);
  EXPECT_EQ(request.sampling.temperature, 1.0);
  EXPECT_EQ(request.n, 2);
  EXPECT_THAT(request.stop, ElementsAre("x"));
  EXPECT_THAT(request.sampling.banned_tokens, ElementsAre(4));
  EXPECT_EQ(request.sampling.min_tokens, 1);
}

TEST(ParseGenerateLine, LetsADefaultGiveWayToTheLinesOwnLimit) {
  Options defaults;
  defaults.sampling.params.min_tokens = 50;
  const auto requests = ReadGenerate("{\"prompt\": \"a\", \"max_new_tokens\": 4}", defaults);
  EXPECT_EQ(requests.at(0).request.sampling.min_tokens, 4);
}

TEST(ParseGenerateLine, HasAFieldForEverySamplingKey) {
  for (const OptionKey& key : OptionTable()) {
    if (!key.path.starts_with("sampling.")) continue;
    const std::string field = key.path.substr(key.path.find('.') + 1);
    const std::string error = GenerateError(DumpJson({{"prompt", "a"}, {field, Json::object()}}));
    EXPECT_THAT(error, testing::StartsWith("in.jsonl:1: \"" + field + "\" is {}; expected "));
  }
}

TEST(RequestOfPrompt, IsALineThatSaysNothingButItsPrompt) {
  Options options;
  for (const char* setting :
       {"sampling.temperature=0.5", "sampling.top_k=3", "sampling.best_of=4", "sampling.logprobs=2",
        "sampling.stop=[a, b]", "sampling.seed=9", "sampling.max_new_tokens=7"})
    ApplySetting(options, setting);
  const LineRequest prompt = RequestOfPrompt("x", options);
  const LineRequest line = ReadGenerate("{\"prompt\": \"x\"}", options).at(0);
  EXPECT_EQ(prompt.request.prompt, line.request.prompt);
  EXPECT_EQ(prompt.request.sampling.temperature, 0.5);
  EXPECT_EQ(prompt.request.sampling.top_k, 3);
  EXPECT_EQ(prompt.request.sampling.max_new_tokens, 7);
  EXPECT_EQ(prompt.request.sampling.seed, line.request.sampling.seed);
  EXPECT_EQ(prompt.request.sampling.stream, line.request.sampling.stream);
  EXPECT_EQ(prompt.request.best_of, 4);
  EXPECT_EQ(prompt.request.logprobs, 2);
  EXPECT_EQ(prompt.request.stop, line.request.stop);
}

TEST(RequestOfPrompt, IsCheckedAsALineIs) {
  Options options;
  options.sampling.best_of = 3;
  EXPECT_THAT(MessageOf([&] { RequestOfPrompt("x", options); }),
              testing::StartsWith("--prompt: 3 samples at temperature 0"));
  options = {};
  options.sampling.beams.num_beams = 2;
  options.sampling.params.temperature = 1.0;
  EXPECT_THAT(MessageOf([&] { RequestOfPrompt("x", options); }),
              testing::StartsWith("--prompt: num_beams is 2, and beam search has no temperature"));
}

TEST(ParseLine, ReadsTextAndTokensToScore) {
  const LineRequest text = ReadScore("{\"text\": \"a\"}");
  EXPECT_EQ(text.request.prompt, "a");
  EXPECT_EQ(text.id, 0);
  EXPECT_TRUE(NeedsTokenizer(text));
  const LineRequest tokens = ReadScore("{\"id\": -4, \"tokens\": [3]}");
  EXPECT_EQ(tokens.id, -4);
  EXPECT_THAT(tokens.request.tokens, ElementsAre(3));
  EXPECT_FALSE(NeedsTokenizer(tokens));
}

TEST(ParseLine, RefusesFieldsOfGenerateToScore) {
  EXPECT_EQ(ScoreError("{\"text\": \"a\", \"txt\": 1}"),
            "s.jsonl:1: unknown field \"txt\"; the nearest known one is \"text\"");
  EXPECT_THAT(ScoreError("{\"text\": \"a\", \"top_k\": 1}"), testing::HasSubstr("\"top_k\""));
}

TEST(ParseLine, ReadsAContextAndItsContinuation) {
  LineRequest text = ReadScore("{\"context\": \"AB\", \"continuation\": \"C\"}");
  Prepare(text, Letters(), SmallModel());
  EXPECT_EQ(text.request.context_tokens, 2);
  EXPECT_THAT(text.request.tokens, ElementsAre(32, 33, 34));
  const LineRequest tokens = ReadScore("{\"context\": [1, 2], \"continuation\": [3]}");
  EXPECT_FALSE(NeedsTokenizer(tokens));
  EXPECT_THAT(tokens.request.tokens, ElementsAre(1, 2, 3));
  EXPECT_EQ(tokens.request.context_tokens, 2);
}

TEST(ParseLine, RefusesAContextOrAContinuationAlone) {
  const std::string expected =
      "; expected \"context\" and \"continuation\", both of them texts or both lists of token ids, "
      "and neither \"text\" nor \"tokens\"";
  EXPECT_EQ(ScoreError("{\"context\": \"a\"}"), "s.jsonl:1: found no \"continuation\"" + expected);
  EXPECT_EQ(ScoreError("{\"continuation\": \"a\"}"), "s.jsonl:1: found no \"context\"" + expected);
  EXPECT_EQ(ScoreError("{\"context\": \"a\", \"continuation\": \"b\", \"tokens\": [1]}"),
            "s.jsonl:1: found \"tokens\" too" + expected);
  EXPECT_EQ(ScoreError("{\"context\": \"a\", \"continuation\": [1]}"),
            "s.jsonl:1: found one of them that is a list and one that is none" + expected);
  EXPECT_EQ(ScoreError("{\"context\": [1], \"continuation\": []}"),
            "s.jsonl:1: \"continuation\" is empty; expected at least one token");
  EXPECT_EQ(ScoreError("{\"context\": \"a\", \"continuation\": \"\"}"),
            "s.jsonl:1: \"continuation\" is empty; expected at least one character");
  EXPECT_THAT(ScoreError("{\"context\": 1, \"continuation\": 2}"),
              testing::HasSubstr("\"context\" is 1; expected"));
  EXPECT_THAT(
      MessageOf([&] { ParseLine(Task::kEmbed, "{\"context\": \"a\"}", "s", 0, Options{}); }),
      testing::HasSubstr("unknown field \"context\""));
}

}  // namespace
}  // namespace lockstep
