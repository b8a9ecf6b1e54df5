// Connections, their threads and the engine's, in one process.
#include "server/http_server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <thread>
#include <vector>

#include "core/error.h"
#include "core/json.h"
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
  EXPECT_EQ(AskServer(http_.port(), GetText("/", "If-None-Match: \"x\"\r\n")).status, 200);
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
  EXPECT_EQ(head.header, ask("GET").header);
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
  EXPECT_EQ(AskServer(http_.port(), begun + "99999999999\r\n\r\n").status, 413);
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

TEST_F(HttpServerTest, LetsPagesOfTheOriginsAskThatAreNamed) {
  const HttpServer open({.port = 0, .api_key = "k", .cors_origins = {"https://a.example"}},
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
