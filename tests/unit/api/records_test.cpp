#include "api/records.h"

#include <gmock/gmock.h>

#include "lines.h"
#include "tests/support/message_of.h"

namespace lockstep {
namespace {

TEST(PassThrough, GivesUnknownFieldsBackAsTheyWere) {
  Options options;
  options.input.unknown_fields = UnknownFields::kPassThrough;
  const LineRequest request =
      ReadGenerate("{\"prompt\": \"q\", \"weight\": 0.1, \"meta\": {\"a\": [1, null]}}", options)
          .at(0);
  const TextResult result{.samples = {{"t", {1}, FinishReason::kStop, {}, {}}},
                          .prompt_logprobs = {}};
  EXPECT_EQ(FormatResult(request, result),
            "{\"id\":0,\"prompt\":\"q\",\"text\":\"t\",\"tokens\":[1],\"finish_reason\":\"stop\","
            "\"meta\":{\"a\":[1,null]},\"weight\":0.1}\n");
  EXPECT_THAT(MessageOf([&] { ReadGenerate("{\"prompt\": \"q\", \"text\": 1}", options); }),
              testing::StartsWith("in.jsonl:1: the field \"text\" cannot be passed through"));
}

TEST(PassThrough, WorksForScoresAndVectors) {
  Options options;
  options.input.unknown_fields = UnknownFields::kPassThrough;
  const std::string line = "{\"tokens\": [5], \"x\": 1}";
  EXPECT_EQ(FormatResult(ReadScore(line, options), {}),
            "{\"id\":0,\"tokens\":[5],\"logprobs\":[null],\"top\":[null],\"x\":1}\n");
  EXPECT_EQ(FormatResult(ParseLine(Task::kEmbed, line, "s", 0, options),
                         {.samples = {}, .prompt_logprobs = {}, .embedding = {0.5f}}),
            "{\"id\":0,\"embedding\":[0.5],\"x\":1}\n");
}

TEST(FormatResult, HasTheContractsFieldsInOrder) {
  LineRequest request;
  request.id = "a";
  request.request.prompt = "q\"";
  TextResult result{.samples = {{"t\n", {1, 2}, FinishReason::kStop, {}, 0.5f}},
                    .prompt_logprobs = {}};
  EXPECT_EQ(FormatResult(request, result),
            "{\"id\":\"a\",\"prompt\":\"q\\\"\",\"text\":\"t\\n\",\"tokens\":[1,2],"
            "\"finish_reason\":\"stop\",\"score\":0.5}\n");
}

TEST(FormatResult, HasLogprobsAndSamplesWhereAsked) {
  LineRequest request;
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

TEST(FormatResult, OfAScoreBeginsWithNullAndHasTheShortestNumbers) {
  LineRequest request;
  request.id = 18446744073709551615u;
  request.request.task = Task::kScore;
  request.request.tokens = {5, 6};
  const TextResult result{
      .samples = {},
      .prompt_logprobs = {{.token = 6, .logprob = -0.1f, .top = 7, .likeliest = {}}}};
  EXPECT_EQ(FormatResult(request, result),
            "{\"id\":18446744073709551615,\"tokens\":[5,6],\"logprobs\":[null,-0.1],"
            "\"top\":[null,7]}\n");
}

TEST(FormatResult, OfAContinuationHasItsSumAndWhetherItIsGreedy) {
  LineRequest request;
  request.id = 1;
  request.request.task = Task::kScore;
  request.request.tokens = {5, 6, 7, 8};
  request.request.context_tokens = 2;
  TextResult result{
      .samples = {},
      .prompt_logprobs = {{.token = 7, .logprob = -0.5f, .top = 7, .likeliest = {}},
                          {.token = 8, .logprob = -0.25f, .top = 8, .likeliest = {}}}};
  EXPECT_EQ(FormatResult(request, result),
            "{\"id\":1,\"tokens\":[7,8],\"logprobs\":[-0.5,-0.25],\"top\":[7,8],"
            "\"sum_logprob\":-0.75,\"is_greedy\":true}\n");
  result.prompt_logprobs[0].top = 9;
  EXPECT_THAT(FormatResult(request, result), testing::HasSubstr("\"is_greedy\":false"));
}

}  // namespace
}  // namespace lockstep
