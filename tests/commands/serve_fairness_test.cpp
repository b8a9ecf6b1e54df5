// A server between a client that asks for much and one that comes later and asks for little.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <thread>

#include "running_server.h"
#include "tests/support/test_data.h"

namespace lockstep {
namespace {

using testing::HasSubstr;

std::vector<std::string> OneAtATime(std::vector<std::string> more) {
  more.insert(more.end(), {"--model", (SourceFolder() / "models/shakespeare-neox").string(),
                           "--threads", "1", "--set", "engine.max_sequences=1"});
  return more;
}

constexpr const char* kLong = R"({"prompt": "a", "max_tokens": 240, "ignore_eos": true})";
constexpr const char* kShort = R"({"prompt": "a", "max_tokens": 1})";

// Requests of one client that has an address of its own, which are not read before the end.
class GreedyClient {
 public:
  GreedyClient(const RunningServer& server, int requests, const std::string& headers = "") {
    const std::string request = PostText("/v1/completions", kLong, headers);
    for (int i = 0; i < requests; ++i)
      connections_.push_back(BeginRequest(server.port(), request, "127.0.0.2"));
  }
  ~GreedyClient() {
    for (const int connection : connections_) ::close(connection);
  }
  GreedyClient(const GreedyClient&) = delete;
  GreedyClient& operator=(const GreedyClient&) = delete;

 private:
  std::vector<int> connections_;
};

void AwaitAccepted(const RunningServer& server, double requests) {
  while (server.Metric("requests_accepted_total") < requests)
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
}

TEST(AFairServer, AnswersALateClientBeforeTheQueueOfAnother) {
  const RunningServer server(OneAtATime({}));
  const GreedyClient greedy(server, 100);
  AwaitAccepted(server, 100);
  const double before = server.Metric("requests_completed_total");
  const HttpReply reply = server.Post("/v1/completions", kShort);
  EXPECT_EQ(reply.status, 200) << reply.body;
  // At most what the engine had when it came, and what was begun until it was read.
  EXPECT_LE(server.Metric("requests_completed_total") - before, 30);
  EXPECT_GT(server.Metric("num_requests_waiting"), 30);
  EXPECT_EQ(server.Metric("num_clients"), 1);
}

TEST(AFairServer, TellsClientsApartByTheirKeys) {
  const TemporaryFolder folder;
  WriteText(folder / "keys", "of-one\nof-the-other\n");
  const RunningServer server(OneAtATime({"--api-key-file", (folder / "keys").string()}));
  const GreedyClient greedy(server, 100, "Authorization: Bearer of-one\r\n");
  AwaitAccepted(server, 100);
  EXPECT_EQ(server.Post("/v1/completions", kShort).status, 401);
  const HttpReply reply =
      server.Post("/v1/completions", kShort, "Authorization: Bearer of-the-other\r\n");
  EXPECT_EQ(reply.status, 200) << reply.body;
  EXPECT_GT(server.Metric("num_requests_waiting"), 30);
}

TEST(AFairServer, TellsClientsApartBehindAProxyThatItTrusts) {
  const RunningServer server(OneAtATime({"--trusted-proxies", "1"}));
  const GreedyClient greedy(server, 100, "X-Forwarded-For: 198.51.100.7\r\n");
  AwaitAccepted(server, 100);
  const HttpReply reply = AskServer(
      server.port(),
      PostText("/v1/completions", kShort, "X-Forwarded-For: 198.51.100.7, 203.0.113.9\r\n"));
  EXPECT_EQ(reply.status, 200) << reply.body;
  EXPECT_GT(server.Metric("num_requests_waiting"), 30);
}

TEST(AFairServer, LeavesPlacesInItsQueueForOthers) {
  const RunningServer server(OneAtATime({"--max-queue", "16"}));
  const GreedyClient greedy(server, 14);
  AwaitAccepted(server, 14);
  const int connection =
      BeginRequest(server.port(), PostText("/v1/completions", kLong), "127.0.0.2");
  const HttpReply refused = ReadReply(connection);
  ::close(connection);
  EXPECT_EQ(refused.status, 503);
  EXPECT_THAT(refused.header, HasSubstr("Retry-After: 1\r\n"));
  EXPECT_THAT(refused.body, HasSubstr("as many requests of yours as it may hold"));
  EXPECT_EQ(server.Post("/v1/completions", kShort).status, 200);
}

}  // namespace
}  // namespace lockstep
