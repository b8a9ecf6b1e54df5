#include <gmock/gmock.h>

#include "api/requests.h"
#include "lines.h"
#include "tests/support/message_of.h"

namespace lockstep {
namespace {

using testing::ElementsAre;

TEST(Prepare, CountsThePromptTowardsTheModelsMaxLength) {
  Options defaults;
  defaults.sampling.max_length = 6;
  auto requests = ReadGenerate(
      "{\"prompt\": \"ABC\"}\n{\"prompt\": \"ABC\", \"max_new_tokens\": 5}\n"
      "{\"prompt\": \"ABCDEF\"}",
      defaults);
  Prepare(requests[0], Letters(), SmallModel());
  EXPECT_EQ(requests[0].request.sampling.max_new_tokens, 3);
  Prepare(requests[1], Letters(), SmallModel());
  EXPECT_EQ(requests[1].request.sampling.max_new_tokens, 5);
  EXPECT_THAT(
      MessageOf([&] { Prepare(requests[2], Letters(), SmallModel()); }),
      testing::HasSubstr("the prompt has 6 tokens, and the model's generation_config.json"));
}

TEST(Prepare, RefusesALengthPenaltyThatScoresCannotBear) {
  auto requests =
      ReadGenerate("{\"prompt\": \"A\", \"num_beams\": 2, \"length_penalty\": -100}", {});
  EXPECT_THAT(MessageOf([&] { Prepare(requests[0], Letters(), SmallModel()); }),
              testing::StartsWith("in.jsonl:1: length_penalty is -100; texts of up to 7 tokens"));
}

TEST(Prepare, TokenizesPromptsAndSpellsTokensOut) {
  auto requests = ReadGenerate("{\"prompt\": \"ABC\"}\n{\"tokens\": [32, 33]}");
  for (LineRequest& one : requests) Prepare(one, Letters(), SmallModel());
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

// The last token is not read.
TEST(Prepare, LetsScoreUseTheWholeContextAndATokenMore) {
  LineRequest fits = ReadScore("{\"tokens\": [1, 2, 3, 4, 5, 6, 7, 8, 9]}");
  EXPECT_NO_THROW(Prepare(fits, nullptr, SmallModel()));
  LineRequest longer = ReadScore("{\"tokens\": [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]}");
  EXPECT_EQ(MessageOf([&] { Prepare(longer, nullptr, SmallModel()); }),
            "s.jsonl:1: the text has 10 tokens; the model's context holds 8, and a score takes one "
            "more; shorten the text");
}

TEST(Prepare, RefusesIdsThatTheModelHasNoRowsFor) {
  LineRequest request = ReadScore("{\"tokens\": [99, 100]}");
  EXPECT_EQ(MessageOf([&] { Prepare(request, nullptr, SmallModel()); }),
            "s.jsonl:1: token 1 is 100; the model's ids are 0 to 99");
}

TEST(Prepare, RefusesTextWhereThereIsNoTokenizer) {
  LineRequest request = ReadScore("{\"text\": \"a\"}");
  EXPECT_EQ(
      MessageOf([&] { Prepare(request, nullptr, SmallModel()); }),
      "s.jsonl:1: there is no tokenizer for the text; give \"tokens\", or set model.tokenizer");
}

// The vocabulary has no entry for these bytes, and there is none for what is unknown.
TEST(Prepare, RefusesTextOfWhichTheTokenizerMakesNothing) {
  const std::string wanted =
      "the tokenizer makes no token of the {0}: none of its characters is in the vocabulary; give "
      "another {0}, or \"tokens\"";
  LineRequest text = ReadScore("{\"text\": \"\\ud83c\\udf1e\"}");
  EXPECT_EQ(MessageOf([&] { Prepare(text, Letters(), SmallModel()); }),
            "s.jsonl:1: " + fmt::format(fmt::runtime(wanted), "text"));
  auto prompts = ReadGenerate("{\"prompt\": \"\\ud83c\\udf1e\"}");
  EXPECT_EQ(MessageOf([&] { Prepare(prompts[0], Letters(), SmallModel()); }),
            "in.jsonl:1: " + fmt::format(fmt::runtime(wanted), "prompt"));
}

}  // namespace
}  // namespace lockstep
