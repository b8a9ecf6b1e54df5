// Connections, their threads and the engine's, in one process.
#include "server/http_server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <thread>
#include <vector>

#include "core/json.h"
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
