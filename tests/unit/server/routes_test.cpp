#include "server/routes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "core/json.h"
#include "tests/unit/server/served_model.h"

namespace lockstep {
namespace {

using testing::HasSubstr;

class RoutesTest : public ServedModel {
 protected:
  HttpAnswer Ask(const std::string& method, const std::string& target,
                 const std::string& body = "") {
    return AnswerPlain(service_, method, target, body);
  }
  Json Answer(const std::string& method, const std::string& target, const std::string& body = "") {
    const HttpAnswer answer = Ask(method, target, body);
    EXPECT_EQ(answer.status, 200u) << answer.body;
    return ParseJson(answer.body, target);
  }
};

TEST_F(RoutesTest, TellOfTheModel) {
  const Json models = Answer("GET", "/v1/models");
  EXPECT_EQ(models["object"], "list");
  EXPECT_EQ(models["data"][0]["id"], "served");
  EXPECT_EQ(models["data"][0]["max_model_len"], spec_.context_tokens);
  EXPECT_EQ(models["data"][0]["dtype"], "fp32");
  EXPECT_TRUE(Answer("GET", "/version?x=1").contains("version"));
  EXPECT_EQ(Answer("GET", "/tokenizer_info")["eos_token_id"], 5);
}

TEST_F(RoutesTest, TellOfTheModelByItsName) {
  EXPECT_EQ(Answer("GET", "/v1/models/served"), Answer("GET", "/v1/models")["data"][0]);
  EXPECT_EQ(Answer("GET", "/v1/models/s%65rv%65d?x=1")["id"], "served");
  for (const char* other : {"", "other", "served/", "Served", "%zz", "%", "%4", "%ff", "a%2Fb"}) {
    const HttpAnswer answer = Ask("GET", std::string("/v1/models/") + other);
    EXPECT_EQ(answer.status, 404u) << other;
    const Json error = ParseJson(answer.body, other)["error"];
    EXPECT_EQ(error["type"], "not_found_error");
    EXPECT_THAT(error["message"].get<std::string>(), HasSubstr("does not exist; this server has"));
  }
  EXPECT_EQ(Ask("POST", "/v1/models/served").allow, "GET");
  EXPECT_TRUE(NeedsKey("/v1/models/served"));
}

TEST_F(RoutesTest, TellWhatARequestIsGivenThatSaysNothing) {
  defaults_.sampling.params.top_k = 7;
  Service service{{.queue = loop_,
                   .tokenizer = tokenizer_,
                   .spec = spec_,
                   .defaults = defaults_,
                   .model = "served"}};
  const Json defaults = ParseJson(AnswerPlain(service, "GET", "/v1/defaults", "").body, "defaults");
  EXPECT_EQ(defaults["model"], "served");
  EXPECT_EQ(defaults["max_model_len"], spec_.context_tokens);
  EXPECT_EQ(defaults["ranks"], 1);
  const TextRequest silent =
      service.ReadCompletion(R"({"prompt": "a"})").request->prompts[0].request;
  const Json& sampling = defaults["sampling"];
  EXPECT_EQ(sampling["top_k"], 7);
  EXPECT_EQ(sampling["max_tokens"], silent.sampling.max_new_tokens);
  EXPECT_EQ(sampling["temperature"], silent.sampling.temperature);
  Json stated = sampling;  // the fields are those of a request
  stated["prompt"] = "a";
  stated["top_k"] = 3;
  EXPECT_EQ(service.ReadCompletion(DumpJson(stated)).request->prompts[0].request.sampling.top_k, 3);
}

TEST_F(RoutesTest, ShowAPageThatNeedsNoOtherAndMayRunItsOwnScriptAlone) {
  const HttpAnswer page = Ask("GET", "/");
  EXPECT_EQ(page.status, 200u);
  EXPECT_EQ(page.type, "text/html; charset=utf-8");
  EXPECT_TRUE(page.body.starts_with("<!doctype html>"));
  EXPECT_EQ(page.body.find("@PAGE_"), std::string::npos);
  for (const char* reference : {" src=", "@import", ": url(", "<link rel=\"stylesheet"})
    EXPECT_EQ(page.body.find(reference), std::string::npos) << reference;
  EXPECT_THAT(page.policy, HasSubstr("default-src 'none'; script-src 'sha256-"));
  EXPECT_THAT(page.policy, testing::Not(HasSubstr("unsafe")));
  EXPECT_EQ(page.etag.size(), 18u);
  EXPECT_FALSE(NeedsKey("/"));
  EXPECT_TRUE(NeedsKey("/v1/defaults"));
}

TEST_F(RoutesTest, TokenizeThereAndBack) {
  const Json tokens = Answer("POST", "/tokenize", R"({"prompt": "abc"})");
  EXPECT_EQ(tokens["count"], 3);
  const Json text = Answer("POST", "/detokenize", DumpJson({{"tokens", tokens["tokens"]}}));
  EXPECT_EQ(text["prompt"], "abc");
  EXPECT_EQ(Answer("POST", "/detokenize", R"({"tokens": [3.0]})"),
            Answer("POST", "/detokenize", R"({"tokens": [3]})"));
}

TEST_F(RoutesTest, TokenizeMessagesAsChatsDo) {
  const std::string messages = R"("messages": [{"role": "user", "content": "abc"}])";
  const Json tokens =
      Answer("POST", "/tokenize", "{" + messages + R"(, "return_token_strs": true})");
  EXPECT_EQ(tokens["tokens"], Answer("POST", "/tokenize", R"({"prompt": "abc"})")["tokens"]);
  EXPECT_EQ(tokens["token_strs"], Json::array({"a", "b", "c"}));
  EXPECT_THAT(Ask("POST", "/tokenize", "{" + messages + R"(, "prompt": "abc"})").body,
              HasSubstr("a prompt and messages; expected one of them"));
  EXPECT_THAT(Ask("POST", "/tokenize", R"({"messages": null})").body,
              HasSubstr("\"param\":\"prompt\""));
  EXPECT_THAT(Ask("POST", "/tokenize", "{" + messages + R"(, "tools": [{}]})").body,
              HasSubstr("tools are not supported"));
  Service plain{{.queue = loop_,
                 .tokenizer = tokenizer_,
                 .spec = spec_,
                 .defaults = defaults_,
                 .model = "served"}};
  const HttpAnswer none = AnswerPlain(plain, "POST", "/tokenize", "{" + messages + "}");
  EXPECT_EQ(none.status, 400u);
  EXPECT_THAT(none.body, HasSubstr("has no chat template; give a prompt"));
}

TEST_F(RoutesTest, RefuseWhatTheyCannotRead) {
  for (const char* body : {"", "{", "[]", "{}", R"({"prompt": 5})", R"({"messages": []})"})
    EXPECT_EQ(Ask("POST", "/tokenize", body).status, 400u) << body;
  for (const char* body : {"{}", R"({"tokens": 5})", R"({"tokens": ["a"]})", R"({"tokens": [-1]})",
                           R"({"tokens": [90]})", R"({"tokens": [1.5]})", R"({"tokens": [1e30]})"})
    EXPECT_EQ(Ask("POST", "/detokenize", body).status, 400u) << body;
  EXPECT_THAT(Ask("POST", "/detokenize", "{}").body, HasSubstr("tokens is missing"));
  EXPECT_THAT(Ask("POST", "/detokenize", R"({"tokens": 5})").body, HasSubstr("tokens is 5"));
}

TEST_F(RoutesTest, NameTheMethodOrThePath) {
  const HttpAnswer wrong = Ask("POST", "/health");
  EXPECT_EQ(wrong.status, 405u);
  EXPECT_EQ(wrong.allow, "GET");
  EXPECT_EQ(Ask("GET", "/v1/completions").allow, "POST");
  EXPECT_EQ(Ask("GET", "/nowhere").status, 404u);
  EXPECT_THAT(Ask("GET", "/nowhere").body, HasSubstr("\"code\":404"));
  EXPECT_THAT(Ask("GET", "/nowhere").body, HasSubstr("GET /openapi.json lists what there is"));
  for (const char* path : {"/completions", "/v1/v1/completions", "/v1/completions/"})
    EXPECT_THAT(Ask("POST", path).body, HasSubstr("the nearest is /v1/completions\"")) << path;
}

TEST_F(RoutesTest, SayThatTheServerIsStopping) {
  EXPECT_EQ(Ask("GET", "/health").status, 200u);
  service_.Drain();
  EXPECT_EQ(Ask("GET", "/health").status, 503u);
  EXPECT_THROW(service_.ReadCompletion(R"({"prompt": "a"})"), ApiError);
}

TEST_F(RoutesTest, CountInPrometheusFormat) {
  const HttpAnswer answer = Ask("GET", "/metrics");
  EXPECT_THAT(answer.type, HasSubstr("text/plain"));
  EXPECT_THAT(answer.body, HasSubstr("# TYPE lockstep:num_requests_running gauge\n"
                                     "lockstep:num_requests_running{model_name=\"served\"} 0\n"));
}

TEST_F(RoutesTest, AreAllDescribedAndNoOthers) {
  const Json described = Answer("GET", "/openapi.json")["paths"];
  std::set<std::string> expected, found;
  for (const RouteName& route : RouteNames())
    expected.insert(fmt::format("{} {}", route.method, route.path));
  for (const auto& [path, methods] : described.items())
    for (const auto& [method, operation] : methods.items()) {
      EXPECT_EQ(operation["security"].empty(), !NeedsKey(path)) << path;
      found.insert((method == "get" ? "GET " : "POST ") + path);
    }
  EXPECT_EQ(found, expected);
}

TEST_F(RoutesTest, DescribeTheIdsOfTheModel) {
  const Json schemas = Answer("GET", "/openapi.json")["components"]["schemas"];
  EXPECT_EQ(schemas["TokenId"]["maximum"], tokenizer_.vocab_size() - 1);
  EXPECT_EQ(schemas["PromptTokenId"]["maximum"], model_.decoder().spec().vocab_rows - 1);
  EXPECT_EQ(schemas["CompletionRequest"]["properties"]["logprobs"]["maximum"],
            std::min<std::int64_t>(tokenizer_.vocab_size(), model_.decoder().spec().vocab_rows));
}

TEST(IsBearer, ComparesTheWholeKey) {
  EXPECT_TRUE(IsBearer("Bearer abc", "abc"));
  EXPECT_TRUE(IsBearer("bearer abc", "abc"));
  for (const char* wrong : {"", "abc", "Bearer ", "Bearer ab", "Bearer abcd", "Bearer abd",
                            "Bearer ABC", "Bearer abcabc", "Basic abc"})
    EXPECT_FALSE(IsBearer(wrong, "abc")) << wrong;
  EXPECT_FALSE(IsBearer("Bearer ", ""));
}

}  // namespace
}  // namespace lockstep
