#include "api/jobs/openai_line.h"

#include <gmock/gmock.h>

#include "core/json.h"
#include "tests/unit/api/api_fixture.h"

namespace lockstep {
namespace {

using ::testing::HasSubstr;
using ::testing::SizeIs;

class OpenAiLineTest : public ApiRequestTest {
 protected:
  OpenAiLineTest() { defaults_.model.path = "served"; }

  std::unique_ptr<LineCall> Read(const std::string& line, std::int64_t index = 7) const {
    return ReadLine({.text = line, .where = "in:8", .index = index}, {.task = Task::kGenerate,
                                                                      .defaults = defaults_,
                                                                      .tokenizer = &tokenizer_,
                                                                      .spec = spec_,
                                                                      .chat = chat_});
  }
  static std::string Line(const std::string& url, const std::string& body) {
    return fmt::format(R"({{"custom_id": "a", "method": "POST", "url": "{}", "body": {}}})", url,
                       body);
  }
  // The message for the log, and the record.
  std::pair<std::string, Json> Refusal(const std::string& line) const {
    try {
      Read(line);
    } catch (const RefusedLine& refused) {
      EXPECT_EQ(refused.record().back(), '\n');
      EXPECT_TRUE(IsErrorRecord(refused.record()));
      return {refused.what(), ParseJson(refused.record(), "record")};
    }
    return {"accepted", Json()};
  }

  ChatSupport chat_;
};

TEST_F(OpenAiLineTest, AsksForEachPromptOfItsBody) {
  const auto call = Read(
      Line("/v1/completions", R"({"model": "served", "prompt": ["ab", "abc"], "max_tokens": 3})"));
  ASSERT_THAT(call->requests(), SizeIs(2));
  EXPECT_THAT(call->requests()[1].request.tokens, SizeIs(3));
  EXPECT_EQ(call->requests()[0].request.sampling.max_new_tokens, 3);
}

TEST_F(OpenAiLineTest, AnswersWithWhatTheServerAnswers) {
  const auto call = Read(Line("/v1/completions", R"({"prompt": "ab", "max_tokens": 1})"));
  TextResult result;
  TextSample& sample = result.samples.emplace_back();
  sample.text = "x";
  sample.finish = FinishReason::kLength;
  const std::string record = call->Record(std::span(&result, 1));
  EXPECT_THAT(record, HasSubstr(R"({"id":"batch_req_7","custom_id":"a","response":{"status_code":)"
                                R"(200,"request_id":"req_7","body":{)"));
  EXPECT_EQ(record.back(), '\n');
  EXPECT_FALSE(IsErrorRecord(record));
  EXPECT_TRUE(IsErrorRecord(call->ErrorRecord("why")));
  const Json answer = ParseJson(record, "record");
  EXPECT_TRUE(answer.at("error").is_null());
  const Json body = answer.at("response").at("body");
  EXPECT_EQ(body.at("choices").at(0).at("text"), "x");
  EXPECT_EQ(body.at("id"), "cmpl-7");
  EXPECT_EQ(body.at("created"), 0);
  EXPECT_EQ(body.at("model"), "served");
}

// So a job that is broken off, or shared by many, gives the bytes of an undisturbed one.
TEST_F(OpenAiLineTest, DrawsFromTheStreamOfItsLineUnlessItHasASeed) {
  const std::string two = R"({"prompt": ["ab", "ab"]})";
  const auto seventh = Read(Line("/v1/completions", two), 7);
  const auto eighth = Read(Line("/v1/completions", two), 8);
  const auto sampling = [](const auto& call, std::size_t i) {
    return call->requests()[i].request.sampling;
  };
  EXPECT_EQ(sampling(seventh, 0).seed, defaults_.sampling.params.seed);
  EXPECT_NE(sampling(seventh, 0).stream, sampling(seventh, 1).stream);
  EXPECT_NE(sampling(seventh, 1).stream, sampling(eighth, 0).stream);
  const auto seeded = Read(Line("/v1/completions", R"({"prompt": "ab", "seed": 5})"));
  EXPECT_EQ(sampling(seeded, 0).seed, 5);
  EXPECT_EQ(sampling(seeded, 0).stream, 0);
}

TEST_F(OpenAiLineTest, TakesTextsToEmbed) {
  const auto call = Read(Line("/v1/embeddings", R"({"input": ["ab", "c"]})"));
  ASSERT_THAT(call->requests(), SizeIs(2));
  EXPECT_EQ(call->requests()[0].request.task, Task::kEmbed);
}

TEST_F(OpenAiLineTest, AnswersABodyThatIsRefusedWithItsStatus) {
  const auto [message, record] = Refusal(Line("/v1/completions", R"({"prompt": "a", "n": -1})"));
  EXPECT_THAT(message, HasSubstr("in:8: "));
  EXPECT_EQ(record.at("custom_id"), "a");
  EXPECT_EQ(record.at("response").at("status_code"), 400);
  EXPECT_TRUE(record.at("response").at("body").at("error").contains("message"));
  EXPECT_TRUE(record.at("error").is_null());
  const auto other = Refusal(Line("/v1/completions", R"({"prompt": "a", "model": "other"})"));
  EXPECT_EQ(other.second.at("response").at("status_code"), 404);
  EXPECT_THAT(other.first, HasSubstr("this job has \"served\"; set server.model_name to the name"));
  const auto streamed = Refusal(Line("/v1/completions", R"({"prompt": "a", "stream": true})"));
  EXPECT_THAT(streamed.first, HasSubstr("cannot be streamed"));
  const auto chat =
      Refusal(Line("/v1/chat/completions", R"({"messages": [{"role": "user", "content": "a"}]})"));
  EXPECT_EQ(chat.second.at("response").at("status_code"), 400);
  EXPECT_THAT(chat.first,
              HasSubstr("no chat template; use /v1/completions, or set server.chat_template"));
}

TEST_F(OpenAiLineTest, NamesWhatIsWrongAroundTheBody) {
  const auto message = [this](const std::string& line) {
    const auto [text, record] = Refusal(line);
    EXPECT_TRUE(record.at("response").is_null()) << line;
    EXPECT_EQ(record.at("error").at("message"), text) << line;
    return text;
  };
  EXPECT_EQ(message(R"({"custom_id": 5, "method": "POST", "url": "/v1/completions", "body": {}})"),
            "in:8: \"custom_id\" is 5; expected a string");
  EXPECT_EQ(message(R"({"custom_id": "a", "url": "/v1/completions", "body": {}})"),
            "in:8: \"method\" is missing");
  EXPECT_EQ(message(R"({"custom_id": "a", "method": "GET", "url": "/v1/completions", "body": {}})"),
            "in:8: \"method\" is \"GET\"; expected \"POST\"");
  EXPECT_THAT(message(Line("/v1/responses", "{}")), HasSubstr("\"url\" is \"/v1/responses\""));
  EXPECT_THAT(message(Line("/v1/completions", "[]")),
              HasSubstr("\"body\" is missing or no object"));
  EXPECT_THAT(message(R"({"custom_id": "a", "body": {}, "urk": ""})"), HasSubstr("\"urk\""));
  EXPECT_THAT(message(R"({"custom_id": "a", "body": )"), HasSubstr("in:8: "));
}

TEST_F(OpenAiLineTest, IsToldFromALineOfOurOwn) {
  EXPECT_FALSE(IsOpenAiLine(R"({"prompt": "a", "custom_id": "b"})"));
  EXPECT_FALSE(IsOpenAiLine(R"({"prompt": "{\"custom_id\": 1, \"body\": {}}"})"));
  EXPECT_TRUE(IsOpenAiLine(Line("/v1/completions", "{}")));
}

}  // namespace
}  // namespace lockstep
