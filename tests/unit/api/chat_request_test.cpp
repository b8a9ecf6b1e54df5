#include "api/openai/chat/chat_request.h"

#include <gmock/gmock.h>

#include "api/openai/chat/chat_reply.h"
#include "api_fixture.h"

namespace lockstep {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::SizeIs;
using testing::StartsWith;

constexpr const char* kTemplate =
    "{% for m in messages %}{{ m.role[0] }}:{{ m.content }};{% endfor %}"
    "{% if add_generation_prompt %}a:{% endif %}{{ style }}";

class ChatRequestTest : public ApiRequestTest {
 protected:
  void SetUp() override { support_.chat_template.emplace(kTemplate, Specials()); }
  static std::map<std::string, std::string> Specials() { return {{"eos_token", "!"}}; }

  ChatRequest Parse(const std::string& body) const { return ParseChat(body, Rules(), support_); }
  std::string Prompt(const std::string& body) const {
    return Parse(body).prompts.at(0).request.prompt;
  }
  const TextRequest& Text(const std::string& fields) {
    request_ = Parse(R"({"messages": [{"role": "user", "content": "b"}])" + fields + "}");
    return request_.prompts.at(0).request;
  }
  std::string Refusal(const std::string& body) const {
    try {
      Parse(body);
    } catch (const ApiError& error) {
      return fmt::format("{}: {} ({})", error.status(), error.what(), error.param());
    }
    return "accepted";
  }
  std::string RefusalOf(const std::string& fields) const {
    return Refusal(R"({"messages": [{"role": "user", "content": "b"}], )" + fields + "}");
  }

  ChatSupport support_;
  ChatRequest request_;
};

TEST_F(ChatRequestTest, WritesTheMessagesWithTheTemplate) {
  EXPECT_EQ(
      Prompt(
          R"({"messages": [{"role": "system", "content": "x"}, {"role": "user", "content": "y"}]})"),
      "s:x;u:y;a:");
  EXPECT_EQ(
      Prompt(R"({"messages": [{"role": "user", "content": "y"}], "add_generation_prompt": false})"),
      "u:y;");
  EXPECT_EQ(
      Prompt(
          R"({"messages": [{"role": "user", "content": "y"}], "chat_template_kwargs": {"style": "z"}})"),
      "u:y;a:z");
}

TEST_F(ChatRequestTest, LetsTheLastMessageGoOn) {
  const ChatRequest request = Parse(
      R"({"messages": [{"role": "user", "content": "y"}, {"role": "assistant", "content": "z "}],
          "add_generation_prompt": false, "continue_final_message": true})");
  EXPECT_EQ(request.prompts[0].request.prompt, "u:y;a:z ");
  EXPECT_THAT(RefusalOf(R"("continue_final_message": true)"), StartsWith("400: continue_final"));
}

TEST_F(ChatRequestTest, TakesPartsOfTextAsTheTemplateWantsThem) {
  constexpr const char* kParts =
      R"({"messages": [{"role": "user", "content": [{"type": "text", "text": "x"}, "y"]}]})";
  support_.chat_template.emplace("{{ messages[0].content }}", Specials());
  EXPECT_EQ(Prompt(kParts), "x\ny");
  support_.chat_template.emplace(
      "{% for m in messages %}{% for p in m.content %}<{{ p.text }}>{% endfor %}{% endfor %}",
      Specials());
  EXPECT_EQ(Prompt(kParts), "<x><y>");
}

TEST_F(ChatRequestTest, AsksForWhatTheContextLeavesUnlessTold) {
  const std::int64_t prompt = std::ssize(Text("").tokens);
  EXPECT_EQ(Text("").sampling.max_new_tokens, spec_.context_tokens - prompt);
  EXPECT_EQ(Text(R"(, "max_tokens": 3)").sampling.max_new_tokens, 3);
  EXPECT_EQ(Text(R"(, "max_tokens": 3, "max_completion_tokens": 4)").sampling.max_new_tokens, 4);
  EXPECT_THAT(RefusalOf(R"("max_tokens": 100000)"), HasSubstr("maximum context length is"));
  defaults_.stated["sampling.max_new_tokens"] = "test";
  defaults_.sampling.params.max_new_tokens = 5;
  EXPECT_EQ(Text("").sampling.max_new_tokens, 5);
}

TEST_F(ChatRequestTest, TakesTheFieldsOfCompletions) {
  const TextRequest& one = Text(
      R"(, "n": 2, "temperature": 0.5, "top_p": 0.9, "top_k": -1, "seed": 7, "stop": ["x"],
          "logit_bias": {"3": 2}, "min_tokens": 1, "stream": true, "logprobs": true,
          "top_logprobs": 2, "stream_options": {"include_usage": true}, "user": "me", "tools": [],
          "tool_choice": "none", "response_format": {"type": "text"}, "audio": null)");
  EXPECT_EQ(one.n, 2);
  EXPECT_EQ(one.sampling.temperature, 0.5);
  EXPECT_EQ(one.sampling.seed, 7u);
  EXPECT_THAT(one.stop, ElementsAre("x"));
  EXPECT_EQ(one.logprobs, 2);
  EXPECT_TRUE(request_.stream && request_.include_usage);
  EXPECT_EQ(Text(R"(, "logprobs": true)").logprobs, 0);
  EXPECT_FALSE(Text(R"(, "logprobs": false, "top_logprobs": 0)").logprobs);
}

TEST_F(ChatRequestTest, RefusesWhatItCannotDoByTheFieldsName) {
  EXPECT_THAT(RefusalOf(R"("tools": [{"type": "function"}])"),
              HasSubstr("tools are not supported"));
  EXPECT_THAT(RefusalOf(R"("tools": {})"), HasSubstr("tools are not supported"));
  EXPECT_THAT(RefusalOf(R"("tool_choice": "auto")"), HasSubstr("tools are not supported"));
  EXPECT_THAT(RefusalOf(R"("response_format": {"type": "json_object"})"),
              HasSubstr("response_format is"));
  EXPECT_THAT(RefusalOf(R"("response_format": 5)"), HasSubstr("response_format is"));
  EXPECT_THAT(RefusalOf(R"("guided_json": {"type": "object"})"), HasSubstr("guided_json"));
  EXPECT_THAT(RefusalOf(R"("chat_template": "{{ x }}")"), HasSubstr("(chat_template)"));
  EXPECT_THAT(RefusalOf(R"("chat_template_kwargs": {"messages": []})"), HasSubstr("400"));
  EXPECT_THAT(RefusalOf(R"("chat_template_kwargs": 5)"), HasSubstr("400"));
  EXPECT_THAT(RefusalOf(R"("top_logprobs": 3)"), HasSubstr("goes with logprobs"));
  EXPECT_THAT(RefusalOf(R"("logprobs": true, "top_logprobs": -1)"),
              HasSubstr("top_logprobs is -1"));
  EXPECT_THAT(RefusalOf(R"("logprobs": 3)"), HasSubstr("logprobs is 3; expected true or false"));
  EXPECT_THAT(RefusalOf(R"("modalities": ["text", "audio"])"), HasSubstr("modalities"));
  EXPECT_THAT(RefusalOf(R"("echo": true)"), HasSubstr("echo"));
  EXPECT_THAT(RefusalOf(R"("use_beam_search": true, "n": 2, "stream": true)"), HasSubstr("beam"));
  EXPECT_THAT(RefusalOf(R"("model": "another")"), StartsWith("404"));
}

TEST_F(ChatRequestTest, NamesTheFieldThatTheClientHasSent) {
  EXPECT_THAT(RefusalOf(R"("max_completion_tokens": -1)"),
              testing::AllOf(HasSubstr("\"max_completion_tokens\" is -1"),
                             HasSubstr("(max_completion_tokens)")));
  EXPECT_THAT(RefusalOf(R"("use_beam_search": true, "n": 2, "logprobs": true)"),
              testing::AllOf(HasSubstr("n is 2, and beam search has no logprobs"),
                             HasSubstr("or set n to 1 (n)")));
  EXPECT_THAT(RefusalOf(R"("logprobs": true, "top_logprobs": 2000)"),
              HasSubstr("top_logprobs is 2000; expected 0 to 90 (top_logprobs)"));
  EXPECT_THAT(RefusalOf(R"("logprobs": true, "top_logprobs": 2000000)"),
              HasSubstr("expected a whole number from 0 to 1048576"));
}

TEST_F(ChatRequestTest, SaysWhichMessageIsAtFault) {
  for (const char* messages :
       {"5", "[]", "[5]", "[{}]", R"([{"role": "user"}])", R"([{"role": 5, "content": "x"}])",
        R"([{"role": "user", "content": 5}])", R"([{"role": "user", "content": [{}]}])",
        R"([{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}])",
        R"([{"role": "user", "content": [{"type": "text"}]}])", R"([{"role": "", "content": "x"}])",
        R"([{"role": "assistant", "tool_calls": 5}])",
        R"([{"role": "assistant", "tool_calls": [{"function": {"arguments": "{"}}]}])"})
    EXPECT_THAT(Refusal(std::string(R"({"messages": )") + messages + "}"),
                testing::AllOf(StartsWith("400: "), HasSubstr("messages")))
        << messages;
  EXPECT_THAT(Refusal("{}"), HasSubstr("messages is missing"));
}

TEST_F(ChatRequestTest, PassesOnWhatTheTemplateRaises) {
  support_.chat_template.emplace("{{ raise_exception('roles must alternate') }}", Specials());
  EXPECT_EQ(RefusalOf(R"("n": 1)"),
            "400: chat template, line 1, column 19: roles must alternate ()");
}

TEST_F(ChatRequestTest, SaysWhatToDoWithoutATemplate) {
  support_ = {};
  EXPECT_EQ(RefusalOf(R"("n": 1)"),
            "400: the model has no chat template; use /v1/completions, or start the server with "
            "--chat-template FILE ()");
}

// --- The answer ---

class ChatReplyTest : public ChatRequestTest {
 protected:
  ChatReply Reply() const { return ChatReply(request_, {tokenizer_, "chatcmpl-1", "served", 17}); }
  static KeptPiece Piece(std::size_t sample, const char* text) {
    KeptPiece piece;
    piece.sample = sample;
    piece.text = text;
    return piece;
  }
};

TEST_F(ChatReplyTest, HasAMessageForEachChoice) {
  Text(R"(, "n": 3, "logprobs": true, "top_logprobs": 1, "stop": "end")");
  const TokenLogprob likely{.token = 7, .logprob = -0.5f, .top = 5, .likeliest = {{5, -0.25f}}};
  const auto sample = [&](const char* text, FinishReason finish) {
    return TextSample{
        .text = text, .tokens = {7}, .finish = finish, .logprobs = {likely}, .score = {}};
  };
  TextResult result;
  result.samples = {sample("x", FinishReason::kLength), sample("y", FinishReason::kEos),
                    sample("z", FinishReason::kStop)};
  result.samples[2].stop = 0;
  const Json reply = ParseJson(Reply().Whole({&result, 1}), "reply");
  EXPECT_EQ(reply["object"], "chat.completion");
  ASSERT_THAT(reply["choices"], SizeIs(3));
  EXPECT_EQ(reply["choices"][2]["stop_reason"], "end");
  EXPECT_EQ(reply["choices"][1]["stop_reason"], nullptr);
  EXPECT_EQ(reply["choices"][0]["message"], Json({{"role", "assistant"}, {"content", "x"}}));
  EXPECT_EQ(reply["choices"][0]["finish_reason"], "length");
  EXPECT_EQ(reply["choices"][1]["finish_reason"], "stop");
  EXPECT_EQ(reply["choices"][1]["index"], 1);
  const Json& token = reply["choices"][0]["logprobs"]["content"][0];
  const std::string text(tokenizer_.TokenBytes(7));
  EXPECT_EQ(token["token"], text);
  EXPECT_EQ(token["bytes"], Json::array({static_cast<unsigned char>(text[0])}));
  EXPECT_EQ(token["logprob"], -0.5);
  EXPECT_EQ(token["top_logprobs"][0]["logprob"], -0.25);
  EXPECT_EQ(reply["usage"]["completion_tokens"], 3);
}

TEST_F(ChatReplyTest, TellsIdsWhereTheyAreAskedFor) {
  Text(R"(, "logprobs": true, "stream": true, "return_token_ids": true,
          "return_tokens_as_token_ids": true)");
  const Json prompt = request_.prompts.front().request.tokens;
  KeptPiece piece = Piece(0, "x");
  piece.token = 7;
  piece.logprob = TokenLogprob{.token = 7, .logprob = -0.5f, .likeliest = {}};
  ChatReply reply = Reply();
  EXPECT_EQ(ParseJson(reply.Opening(piece), "opening")["prompt_token_ids"], prompt);
  const Json chunk = ParseJson(reply.Chunk(0, piece), "chunk")["choices"][0];
  EXPECT_EQ(chunk["token_ids"], Json({7}));
  EXPECT_EQ(chunk["logprobs"]["content"][0]["token"], "token_id:7");
  TextResult result;
  result.samples = {TextSample{.text = "xy",
                               .tokens = {7, 8},
                               .finish = FinishReason::kLength,
                               .logprobs = {},
                               .score = {}}};
  const Json whole = ParseJson(Reply().Whole({&result, 1}), "reply");
  EXPECT_EQ(whole["prompt_token_ids"], prompt);
  EXPECT_EQ(whole["choices"][0]["token_ids"], Json({7, 8}));
}

TEST_F(ChatReplyTest, StreamsDeltasThatBeginWithTheRole) {
  Text(R"(, "n": 2, "stream": true, "stream_options": {"include_usage": true}, "stop": "end")");
  ChatReply reply = Reply();
  const Json opening = ParseJson(reply.Opening(Piece(1, "x")), "opening");
  EXPECT_EQ(opening["object"], "chat.completion.chunk");
  EXPECT_EQ(opening["choices"][0]["index"], 1);
  EXPECT_EQ(opening["choices"][0]["delta"], Json({{"role", "assistant"}, {"content", ""}}));
  const Json chunk = ParseJson(reply.Chunk(0, Piece(1, "x")), "chunk");
  EXPECT_EQ(chunk["choices"][0]["delta"], Json({{"content", "x"}}));
  EXPECT_EQ(chunk["choices"][0]["finish_reason"], nullptr);
  EXPECT_EQ(reply.Opening(Piece(1, "y")), "");
  EXPECT_NE(reply.Opening(Piece(0, "z")), "");
  KeptPiece last = Piece(0, "z");
  last.finish = FinishReason::kStop;
  last.stop = 0;
  const Json ended = ParseJson(reply.Chunk(0, last), "chunk")["choices"][0];
  EXPECT_EQ(ended["finish_reason"], "stop");
  EXPECT_EQ(ended["stop_reason"], "end");
  const Json usage = ParseJson(reply.UsageChunk(), "usage");
  EXPECT_THAT(usage["choices"], SizeIs(0));
  EXPECT_EQ(usage["usage"]["completion_tokens"], 2);
}

}  // namespace
}  // namespace lockstep
