#include "api/openai/embedding_request.h"

#include <gmock/gmock.h>

#include "api_fixture.h"

namespace lockstep {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::SizeIs;

class EmbeddingRequestTest : public ApiRequestTest {
 protected:
  EmbeddingRequest Parse(const std::string& body) const { return ParseEmbedding(body, Rules()); }
  std::string Refusal(const std::string& body) const {
    return RefusalBy([&] { Parse(body); });
  }
};

TEST_F(EmbeddingRequestTest, TakesAllFormsOfInputs) {
  defaults_.embed.pooling = Pooling::kLast;
  const EmbeddingRequest one = Parse(R"({"input": "ab", "user": "me", "model": "served"})");
  ASSERT_THAT(one.prompts, SizeIs(1));
  EXPECT_EQ(one.prompts[0].request.task, Task::kEmbed);
  EXPECT_EQ(one.prompts[0].request.pooling, Pooling::kLast);
  EXPECT_THAT(one.prompts[0].request.tokens, SizeIs(2));
  EXPECT_THAT(Parse(R"({"input": ["ab", "c"]})").prompts, SizeIs(2));
  EXPECT_THAT(Parse(R"({"input": [1, 2]})").prompts[0].request.tokens, ElementsAre(1, 2));
  EXPECT_THAT(Parse(R"({"input": [[1, 2], [3]]})").prompts[1].request.tokens, ElementsAre(3));
}

TEST_F(EmbeddingRequestTest, RefusesWhatItCannotRead) {
  for (const char* body :
       {"{}", R"({"input": ""})", R"({"input": []})", R"({"input": [""]})", R"({"input": 5})",
        R"({"input": [-1]})", R"({"input": [1000]})", R"({"input": [1.5]})",
        R"({"input": ["a", 5]})", R"({"input": [[]]})", R"({"input": "a", "dimensions": 5})",
        R"({"input": "a", "encoding_format": "x"})"})
    EXPECT_THAT(Refusal(body), testing::StartsWith("400: ")) << body;
  EXPECT_THAT(Refusal(R"({"input": "a", "dimensions": 5})"), HasSubstr("dimensions"));
  EXPECT_THAT(Refusal("{\"input\": \"" + std::string(5000, 'a') + "\"}"),
              HasSubstr("maximum context length is"));
  EXPECT_THAT(Refusal(R"({"input": "a", "model": "b"})"), testing::StartsWith("404: "));
}

TEST_F(EmbeddingRequestTest, NamesTheInputWhereItIsAtFault) {
  for (const std::string& text : {std::string(), std::string(5000, 'a')}) try {
      Parse("{\"input\": \"" + text + "\"}");
      FAIL() << text.size();
    } catch (const ApiError& error) {
      EXPECT_EQ(error.param(), "input") << error.what();
    }
}

TEST_F(EmbeddingRequestTest, AnswersWithNumbersOrTheirBytes) {
  std::vector<TextResult> results(2);
  results[0].embedding = {1.5f, -2.0f};
  results[1].embedding = {0.0f, 0.25f};
  const EmbeddingRequest numbers = Parse(R"({"input": ["ab", "c"]})");
  const Json reply = ParseJson(EmbeddingReply(numbers, "served").Whole(results), "reply");
  EXPECT_EQ(reply["object"], "list");
  EXPECT_EQ(reply["model"], "served");
  EXPECT_EQ(reply["data"][0],
            Json({{"object", "embedding"}, {"index", 0}, {"embedding", {1.5, -2.0}}}));
  EXPECT_EQ(reply["data"][1]["index"], 1);
  EXPECT_EQ(reply["usage"], Json({{"prompt_tokens", 3}, {"total_tokens", 3}}));
  const EmbeddingRequest bytes = Parse(R"({"input": ["ab", "c"], "encoding_format": "base64"})");
  EXPECT_EQ(
      ParseJson(EmbeddingReply(bytes, "served").Whole(results), "reply")["data"][0]["embedding"],
      "AADAPwAAAMA=");
}

TEST(Base64, PadsToWholeGroups) {
  const auto of = [](std::string_view text) {
    return Base64({reinterpret_cast<const unsigned char*>(text.data()), text.size()});
  };
  EXPECT_EQ(of(""), "");
  EXPECT_EQ(of("f"), "Zg==");
  EXPECT_EQ(of("fo"), "Zm8=");
  EXPECT_EQ(of("foo"), "Zm9v");
  EXPECT_EQ(of("\xff\xfe\xfd"), "//79");
}

}  // namespace
}  // namespace lockstep
