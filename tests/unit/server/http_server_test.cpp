// Connections, their threads and the engine's, in one process.
#include "server/http_server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <map>
#include <mutex>
#include <regex>
#include <set>
#include <thread>
#include <vector>

#include "core/error.h"
#include "core/json.h"
#include "core/logging/structured_log.h"
#include "server/cors.h"
#include "tests/support/http_client.h"
#include "tests/unit/server/served_model.h"

namespace lockstep {
namespace {

class HttpServerTest : public ServedModel {
 protected:
  std::string Body(int seed, bool stream) const {
    return DumpJson({{"prompt", {1, 2, seed % 7}},
                     {"max_tokens", 20},
                     {"ignore_eos", true},
                     {"seed", seed},
                     {"stream", stream}});
  }
  HttpReply Complete(int seed, bool stream) const {
    return AskServer(http_.port(), PostText("/v1/completions", Body(seed, stream)));
  }
  // One that is not there any more when the answer comes.
  void Leave(int seed, bool stream) const {
    ::close(BeginRequest(http_.port(), PostText("/v1/completions", Body(seed, stream))));
  }

  HttpServer http_{{.port = 0}, service_};
};

TEST_F(HttpServerTest, AnswersManyOfWhomSomeLeave) {
  std::atomic<int> answered = 0;
  {
    const std::jthread clients([&] {
      std::vector<std::jthread> all;
      for (int client = 0; client < 8; ++client) {
        all.emplace_back([&, client] {
          for (int i = 0; i < 6; ++i) {
            const int seed = 10 * client + i;
            if (seed % 3 == 0) {
              Leave(seed, i % 2 == 0);
              continue;
            }
            const HttpReply reply = Complete(seed, i % 2 == 0);
            EXPECT_EQ(reply.status, 200) << reply.body;
            ++answered;
            (void)AskServer(http_.port(), GetText("/metrics"));
          }
        });
      }
      all.clear();
      service_.Drain();
    });
    loop_.Run();
  }
  EXPECT_EQ(answered, 32);
  EXPECT_EQ(loop_.statistics().in_flight, 0);
  EXPECT_TRUE(engine_.idle());
}

TEST_F(HttpServerTest, SendsThePageOnceToWhoKeepsIt) {
  const HttpReply page = AskServer(http_.port(), GetText("/"));
  EXPECT_EQ(page.status, 200);
  EXPECT_THAT(page.header, testing::HasSubstr("X-Content-Type-Options: nosniff"));
  EXPECT_THAT(page.header, testing::HasSubstr("Content-Security-Policy: default-src 'none'"));
  const std::size_t tag = page.header.find("ETag: ");
  ASSERT_NE(tag, std::string::npos);
  const std::string etag = page.header.substr(tag + 6, 18);
  const HttpReply again = AskServer(http_.port(), GetText("/", "If-None-Match: " + etag + "\r\n"));
  EXPECT_EQ(again.status, 304);
  EXPECT_EQ(again.body, "");
  EXPECT_THAT(again.header, testing::Not(testing::HasSubstr("Content-Length")));
  EXPECT_EQ(AskServer(http_.port(), GetText("/", "If-None-Match: \"x\"\r\n")).status, 200);
  for (const std::string& wanted : {"\"x\", W/" + etag, std::string("*")})
    EXPECT_EQ(AskServer(http_.port(), GetText("/", "If-None-Match: " + wanted + "\r\n")).status,
              304)
        << wanted;
}

TEST_F(HttpServerTest, TakesTargetsAsProxiesWriteThem) {
  EXPECT_EQ(AskServer(http_.port(), GetText("http://here:80/health")).status, 200);
  EXPECT_EQ(AskServer(http_.port(), GetText("http://here/nothing")).status, 404);
  const HttpServer locked({.port = 0, .api_keys = {"k"}}, service_);
  EXPECT_EQ(AskServer(locked.port(), GetText("http://here/v1/models")).status, 401);
}

TEST_F(HttpServerTest, AnswersHeadWithTheHeaderOfGet) {
  const auto ask = [&](const char* method) {
    return AskServer(http_.port(), std::string(method) +
                                       " /version HTTP/1.1\r\nHost: here\r\n"
                                       "Connection: close\r\n\r\n");
  };
  const HttpReply head = ask("HEAD");
  EXPECT_EQ(head.status, 200);
  EXPECT_EQ(head.body, "");
  // But for the name of the request.
  const std::regex id("X-Request-Id: [0-9a-f]{32}");
  EXPECT_EQ(std::regex_replace(head.header, id, ""), std::regex_replace(ask("GET").header, id, ""));
}

TEST_F(HttpServerTest, SaysThatABodyIsAwaitedUnlessItIsTooLong) {
  const std::string begun =
      "POST /tokenize HTTP/1.1\r\nHost: here\r\nConnection: close\r\nExpect: 100-continue\r\n"
      "Content-Length: ";
  const std::string body = R"({"prompt": "a"})";
  const int connection =
      BeginRequest(http_.port(), begun + std::to_string(body.size()) + "\r\n\r\n");
  const std::string expected = "HTTP/1.1 100 Continue\r\n\r\n";
  std::string said(expected.size(), '\0');
  ASSERT_EQ(::recv(connection, said.data(), said.size(), MSG_WAITALL), std::ssize(said));
  EXPECT_EQ(said, expected);
  ASSERT_EQ(::write(connection, body.data(), body.size()), std::ssize(body));
  EXPECT_EQ(ReadReply(connection).status, 200);
  ::close(connection);
  const HttpReply too_long = AskServer(http_.port(), begun + "99999999999\r\n\r\n");
  EXPECT_EQ(too_long.status, 413);
  EXPECT_THAT(too_long.body, testing::ContainsRegex("longer than the [0-9]+ bytes"));
}

TEST_F(HttpServerTest, RefusesCompressedBodies) {
  const std::string body = R"({"prompt": "a"})";
  const HttpReply zipped =
      AskServer(http_.port(), PostText("/tokenize", body, "Content-Encoding: gzip\r\n"));
  EXPECT_EQ(zipped.status, 415);
  EXPECT_THAT(zipped.body, testing::HasSubstr("Content-Encoding"));
  const std::string identity = "Content-Encoding: Identity\r\n";
  const HttpReply twice =
      AskServer(http_.port(), PostText("/tokenize", body, identity + "Content-Encoding: gzip\r\n"));
  EXPECT_EQ(twice.status, 415);
  const HttpReply plain = AskServer(http_.port(), PostText("/tokenize", body, identity));
  EXPECT_EQ(plain.status, 200);
}

TEST_F(HttpServerTest, AnswersChatsAndEmbeddingsAsCompletions) {
  constexpr const char* kChat =
      R"({"messages": [{"role": "user", "content": "abc"}], "max_tokens": 4, "ignore_eos": true)";
  HttpReply whole, stream, vectors, none;
  {
    const std::jthread client([&] {
      const auto ask = [&](const char* path, const std::string& body) {
        return AskServer(http_.port(), PostText(path, body));
      };
      whole = ask("/v1/chat/completions", std::string(kChat) + "}");
      stream = ask("/v1/chat/completions", std::string(kChat) + R"(, "stream": true})");
      vectors = ask("/v1/embeddings", R"({"input": ["ab", "c"]})");
      none = AskServer(http_.port(), GetText("/v1/embeddings"));
      service_.Drain();
    });
    loop_.Run();
  }
  EXPECT_EQ(whole.status, 200) << whole.body;
  EXPECT_EQ(ParseJson(whole.body, "reply")["usage"]["completion_tokens"], 4);
  EXPECT_EQ(stream.status, 200);
  EXPECT_THAT(stream.body, testing::HasSubstr(R"("delta":{"content":"","role":"assistant"})"));
  EXPECT_THAT(stream.body, testing::HasSubstr("data: [DONE]"));
  ASSERT_EQ(vectors.status, 200) << vectors.body;
  const Json data = ParseJson(vectors.body, "reply")["data"];
  EXPECT_EQ(data.size(), 2u);
  EXPECT_EQ(static_cast<std::int64_t>(data[1]["embedding"].size()), spec_.d_model);
  EXPECT_EQ(none.status, 405);
}

TEST_F(HttpServerTest, RefusesWhatPagesOfOtherOriginsSendWithoutAskingBefore) {
  const HttpServer open({.port = 0, .cors_origins = {"https://a.example"}}, service_);
  const auto ask = [](const HttpServer& server, const std::string& site, const char* method) {
    const std::string text = fmt::format(
        "{} {} HTTP/1.1\r\nHost: here\r\nConnection: close\r\n"
        "Origin: https://a.example\r\n{}Content-Type: text/plain\r\n"
        "Content-Length: 15\r\n\r\n{{\"prompt\": \"a\"}}",
        method, method == std::string("GET") ? "/health" : "/tokenize", site);
    return AskServer(server.port(), text);
  };
  for (const char* site : {"cross-site", "same-site"}) {
    const std::string header = fmt::format("Sec-Fetch-Site: {}\r\n", site);
    const auto refused = ask(http_, header, "POST");
    EXPECT_EQ(refused.status, 403) << site;
    EXPECT_THAT(refused.body, testing::HasSubstr("server.cors_origins names those that may"));
    EXPECT_EQ(ask(open, header, "POST").status, 200) << site;
    EXPECT_EQ(ask(http_, header, "GET").status, 200) << site;
  }
  EXPECT_EQ(ask(http_, "Sec-Fetch-Site: same-origin\r\n", "POST").status, 200);
  EXPECT_EQ(ask(http_, "", "POST").status, 403) << "as browsers ask over plain HTTP";
  EXPECT_EQ(ask(open, "", "POST").status, 200);
}

TEST(Cors, TellsPagesOfOtherOriginsByWhatBrowsersSay) {
  const auto is_other = [](std::string_view origin, std::string_view type) {
    return IsOfAnotherPage(
        {.origin = origin, .host = "10.0.0.5:8000", .fetch_site = "", .content_type = type});
  };
  EXPECT_TRUE(is_other("https://a.example", "text/plain; charset=utf-8"));
  EXPECT_TRUE(is_other("null", ""));
  EXPECT_TRUE(is_other("http://10.0.0.5:9000", "Multipart/form-data"));
  EXPECT_FALSE(is_other("http://10.0.0.5:8000", "text/plain")) << "its own";
  EXPECT_FALSE(is_other("", "text/plain")) << "no browser";
  EXPECT_FALSE(is_other("https://a.example", "application/json")) << "browsers ask before";
}

TEST_F(HttpServerTest, LetsPagesOfTheOriginsAskThatAreNamed) {
  const HttpServer open({.port = 0, .api_keys = {"k"}, .cors_origins = {"https://a.example"}},
                        service_);
  const std::string preflight =
      "OPTIONS /v1/completions HTTP/1.1\r\nHost: here\r\nConnection: close\r\nOrigin: {}\r\n"
      "Access-Control-Request-Method: POST\r\n"
      "Access-Control-Request-Headers: authorization,content-type\r\n\r\n";
  const auto of = [&](const char* origin) {
    std::string text = preflight;
    return AskServer(open.port(), text.replace(text.find("{}"), 2, origin));
  };
  const HttpReply known = of("https://a.example");
  EXPECT_EQ(known.status, 204);
  EXPECT_THAT(known.header, testing::HasSubstr("Access-Control-Allow-Origin: https://a.example"));
  EXPECT_THAT(known.header, testing::HasSubstr("Vary: Origin"));
  EXPECT_THAT(known.header, testing::Not(testing::ContainsRegex("Content-(Length|Type):")));
  EXPECT_THAT(known.header,
              testing::HasSubstr("Access-Control-Allow-Headers: authorization,content-type"));
  const HttpReply other = of("https://b.example");
  EXPECT_EQ(other.status, 401);
  EXPECT_THAT(other.header, testing::Not(testing::HasSubstr("Access-Control")));
  const HttpReply refused =
      AskServer(open.port(), GetText("/v1/models", "Origin: https://a.example\r\n"));
  EXPECT_EQ(refused.status, 401);
  EXPECT_THAT(refused.header, testing::HasSubstr("Access-Control-Allow-Origin"));
  EXPECT_THAT(AskServer(http_.port(), GetText("/health", "Origin: https://a.example\r\n")).header,
              testing::Not(testing::HasSubstr("Access-Control")));
}

// Refuses nobody before the prompt is read, and everybody behind it.
class NotingQueue : public RequestQueue {
 public:
  Admission Submit(TextRequest request, std::shared_ptr<RequestSink> /*sink*/) override {
    const std::lock_guard lock(mutex_);
    submitted_.push_back(request.client);
    return {.refusal = Refusal::kShare};
  }
  Refusal Refuse(ClientId client) override {
    const std::lock_guard lock(mutex_);
    asked_.push_back(client);
    return Refusal::kNone;
  }
  void Cancel(Ticket /*ticket*/) override {}
  LoopStatistics statistics() const override { return {}; }
  void Drain() override {}
  void Abort() override {}

  // Since the last time: of whom it was asked, and who has come.
  std::pair<std::vector<ClientId>, std::vector<ClientId>> Take() {
    const std::lock_guard lock(mutex_);
    return {std::exchange(asked_, {}), std::exchange(submitted_, {})};
  }

 private:
  std::mutex mutex_;
  std::vector<ClientId> asked_;
  std::vector<ClientId> submitted_;
};

TEST_F(HttpServerTest, TellsTheQueueWhoAsks) {
  NotingQueue queue;
  Service service({.queue = queue,
                   .tokenizer = tokenizer_,
                   .spec = spec_,
                   .defaults = defaults_,
                   .model = "served",
                   .chat = {.chat_template = ChatTemplate("a", {})}});
  const HttpServer keyless({.port = 0, .trusted_proxies = 1}, service);
  const HttpServer one_key({.port = 0, .api_keys = {"k"}}, service);
  const HttpServer two_keys({.port = 0, .api_keys = {"k", "l"}}, service);
  const std::map<std::string, std::string> bodies{
      {"/v1/completions", R"({"prompt": ["a", "b"], "max_tokens": 1})"},
      {"/v1/chat/completions", R"({"messages": [{"role": "user", "content": "a"}]})"},
      {"/v1/embeddings", R"({"input": ["a", "b"]})"}};
  const auto client_at = [&](const HttpServer& server, const std::string& headers) {
    std::set<ClientId> clients;
    for (const auto& [path, body] : bodies) {
      const HttpReply reply = AskServer(server.port(), PostText(path, body, headers));
      EXPECT_EQ(reply.status, 503) << reply.body;
      EXPECT_THAT(reply.body, testing::HasSubstr("requests of yours"));
      const auto [asked, submitted] = queue.Take();
      clients.insert(asked.begin(), asked.end());
      clients.insert(submitted.begin(), submitted.end());
      EXPECT_EQ(asked.size(), 1U);
      EXPECT_EQ(submitted.size(), 1U);
    }
    EXPECT_EQ(clients.size(), 1U);
    return *clients.begin();
  };
  const std::string k = "Authorization: Bearer k\r\n", l = "Authorization: Bearer l\r\n";
  const std::set<ClientId> all{kNobody, client_at(keyless, ""),
                               client_at(keyless, "X-Forwarded-For: 192.0.2.1\r\n"),
                               client_at(two_keys, k), client_at(two_keys, l)};
  EXPECT_EQ(all.size(), 5U);
  EXPECT_EQ(client_at(keyless, ""), client_at(one_key, k)) << "the one key tells nobody apart";
  EXPECT_EQ(client_at(keyless, ""), client_at(one_key, k + "X-Forwarded-For: 192.0.2.1\r\n"))
      << "nobody has said that a proxy is to be trusted";
}

// The answer to a request is known by the names that its client has given it.
TEST_F(HttpServerTest, GivesTheNamesOfARequestBackWithEveryAnswer) {
  const std::string trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
  const std::string names = "X-Request-ID: my-1\r\nTraceparent: " + trace + "\r\n";
  HttpReply whole, stream;
  {
    const std::jthread client([&] {
      const auto ask = [&](bool streams) {
        return AskServer(http_.port(), PostText("/v1/completions", Body(1, streams), names));
      };
      whole = ask(false);
      stream = ask(true);
      service_.Drain();
    });
    loop_.Run();
  }
  EXPECT_THAT(whole.body, testing::HasSubstr("\"id\":\"cmpl-my-1\""));
  EXPECT_THAT(stream.body, testing::HasSubstr("\"id\":\"cmpl-my-1\""));
  const HttpReply none = AskServer(http_.port(), GetText("/nowhere", names));
  EXPECT_EQ(none.status, 404);
  for (const HttpReply& reply : {whole, stream, none}) {
    EXPECT_THAT(reply.header, testing::HasSubstr("X-Request-Id: my-1\r\n"));
    EXPECT_THAT(reply.header, testing::HasSubstr("traceparent: " + trace + "\r\n"));
  }
}

TEST_F(HttpServerTest, MakesANameWhereTheClientHasGivenNoneOrSeveral) {
  const auto id_of = [&](const std::string& bytes) {
    const std::string header = AskServer(http_.port(), bytes).header;
    const std::regex id("X-Request-Id: ([0-9a-f]{32})\r\n");
    std::smatch found;
    return std::regex_search(header, found, id) ? found[1].str() : "";
  };
  const std::set<std::string> ids{
      id_of(GetText("/version")), id_of(GetText("/version", "X-Request-Id: a b\r\n")),
      id_of(GetText("/version", "X-Request-Id: a\r\nX-Request-Id: b\r\n")),
      id_of("GARBAGE\r\n\r\n")};
  EXPECT_EQ(ids.size(), 4u);
  EXPECT_FALSE(ids.contains(""));
}

TEST_F(HttpServerTest, LogsWhatBecameOfARequestAndNeitherItsTextNorItsKey) {
  testing::internal::CaptureStderr();
  SetLogFormat(LogFormat::kJson);
  {
    const HttpServer logging({.port = 0, .api_keys = {"secret"}, .logging = RequestLogging::kOn},
                             service_);
    const std::string key = "Authorization: Bearer secret\r\n";
    const std::jthread client([&] {
      AskServer(logging.port(),
                PostText("/v1/completions", Body(1, false), key + "X-Request-Id: whole\r\n"));
      AskServer(logging.port(), GetText("/v1/models?the=query", "X-Request-Id: keyless\r\n"));
      AskServer(logging.port(), PostText("/v1/completions", R"({"prompt": "my text", "n": 0})",
                                         key + "X-Request-Id: wrong\r\n"));
      const int left = BeginRequest(
          logging.port(),
          PostText("/v1/completions", R"({"prompt": [1], "max_tokens": 40, "ignore_eos": true,
                   "n": 100, "stream": true})",
                   key + "X-Request-Id: gone\r\n"));
      char byte = 0;
      EXPECT_EQ(::recv(left, &byte, 1, 0), 1);
      ::close(left);
      while (loop_.statistics().cancelled == 0)
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
      service_.Drain();
    });
    loop_.Run();
  }
  SetLogFormat(LogFormat::kPlain);
  const std::string log = testing::internal::GetCapturedStderr();
  std::map<std::string, std::vector<Json>> lines;
  for (std::size_t at = 0, end = log.find('\n'); end != log.npos;
       at = end + 1, end = log.find('\n', at)) {
    const Json line = ParseJson(log.substr(at, end - at), "line");
    lines[line.value("request_id", "")].push_back(line);
  }
  ASSERT_EQ(lines["whole"].size(), 2u) << log;
  EXPECT_EQ(lines["whole"][0]["message"], "request accepted");
  EXPECT_EQ(lines["whole"][0]["prompt_tokens"], 3);
  const Json& end = lines["whole"][1];
  EXPECT_EQ(end["route"], "POST /v1/completions");
  EXPECT_EQ(end["status"], 200);
  EXPECT_EQ(end["ended"], "length");
  EXPECT_EQ(end["new_tokens"], 20);
  EXPECT_GE(end["queue_ms"], 0);
  EXPECT_GE(end["first_token_ms"], end["queue_ms"]);
  EXPECT_GE(end["total_ms"], end["first_token_ms"]);
  ASSERT_EQ(lines["keyless"].size(), 1u);
  EXPECT_EQ(lines["keyless"][0]["route"], "GET /v1/models");
  EXPECT_EQ(lines["keyless"][0]["status"], 401);
  ASSERT_EQ(lines["wrong"].size(), 1u);
  EXPECT_EQ(lines["wrong"][0]["ended"], "refused");
  ASSERT_EQ(lines["gone"].size(), 2u);
  EXPECT_EQ(lines["gone"][1]["ended"], "cancelled");
  EXPECT_EQ(lines["gone"][1]["status"], 499);
  for (const char* kept : {"secret", "my text", "the=query"})
    EXPECT_EQ(log.find(kept), std::string::npos) << kept;
}

TEST_F(HttpServerTest, RefusesABodyThatIsLongerThanAllowed) {
  const HttpServer small({.port = 0, .most_body_bytes = 2000}, service_);
  const HttpReply reply = AskServer(small.port(), PostText("/tokenize", std::string(2001, ' ')));
  EXPECT_EQ(reply.status, 413);
}

// However it goes on sending: the time is that of the whole request.
TEST_F(HttpServerTest, LeavesClientsThatSendTheirRequestTooSlowly) {
  const HttpServer hasty({.port = 0, .patience = std::chrono::milliseconds(200)}, service_);
  const int header = BeginRequest(hasty.port(), "GET /health HT");
  const int body = BeginRequest(
      hasty.port(), "POST /tokenize HTTP/1.1\r\nHost: here\r\nContent-Length: 9\r\n\r\n{");
  std::atomic<bool> closed = false;
  const std::jthread trickle([&] {
    while (!closed && ::send(header, "T", 1, MSG_NOSIGNAL) == 1)
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
  });
  char byte = 0;
  EXPECT_LE(::read(header, &byte, 1), 0);
  EXPECT_LE(::read(body, &byte, 1), 0);
  closed = true;
  EXPECT_EQ(AskServer(hasty.port(), GetText("/health")).status, 200);
  ::close(body);
}

TEST(CorsRules, TakeOriginsOnly) {
  for (const char* wrong : {"", "a.example", "https://", "https://a.example/", "https://a/b"})
    EXPECT_THROW(CorsRules({wrong}), Error) << wrong;
  EXPECT_EQ(CorsRules({"*"}).AllowedOrigin("https://x"), "*");
  EXPECT_EQ(CorsRules({"*"}).AllowedOrigin(""), "");
  EXPECT_EQ(CorsRules({}).AllowedOrigin("https://x"), "");
  EXPECT_EQ(CorsRules({"https://x"}).AllowedOrigin("https://x:8080"), "");
}

TEST_F(HttpServerTest, AnswersWhatHasBegunWhenItDrains) {
  const std::string body = R"({"prompt": "a"})";
  const int late = BeginRequest(http_.port(),
                                "POST /tokenize HTTP/1.1\r\nHost: here\r\nExpect: 100-continue\r\n"
                                "Content-Length: 15\r\n\r\n");
  std::string said(25, '\0');
  ASSERT_EQ(::recv(late, said.data(), said.size(), MSG_WAITALL), std::ssize(said));
  http_.Drain();
  while (true) {  // until it drains
    try {
      ::close(BeginRequest(http_.port(), ""));
    } catch (const std::exception&) {
      break;
    }
  }
  ASSERT_EQ(::write(late, body.data(), body.size()), std::ssize(body));
  EXPECT_EQ(ReadReply(late).status, 200);
  ::close(late);
}

TEST_F(HttpServerTest, ClosesWhatIdlesWhenItDrains) {
  const int idle = BeginRequest(http_.port(), "GET /health HTTP/1.1\r\nHost: here\r\n\r\n");
  char byte = 0;
  ASSERT_EQ(::read(idle, &byte, 1), 1);  // it is answered, and stays open
  http_.Drain();
  while (::read(idle, &byte, 1) > 0) {
  }
  ::close(idle);
  EXPECT_THROW(BeginRequest(http_.port(), ""), std::exception);
}

}  // namespace
}  // namespace lockstep
