// lockstep serve as its clients see it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <thread>

#include "core/json.h"
#include "program.h"
#include "running_server.h"
#include "tests/support/message_of.h"
#include "tests/support/test_data.h"

namespace lockstep {
namespace {

using testing::EndsWith;
using testing::HasSubstr;

std::string Model() { return (SourceFolder() / "models/shakespeare-neox").string(); }

std::vector<std::string> OnRanks(int ranks, std::vector<std::string> more = {}) {
  more.insert(more.end(), {"--model", Model(), "--served-model-name", "bard", "--threads", "1"});
  if (ranks > 1) more.insert(more.end(), {"--tp", std::to_string(ranks)});
  return more;
}

// The text of a stream's events, put together.
std::string TextOf(const std::string& events) {
  std::string text;
  for (std::size_t at = 0; at < events.size();) {
    const std::size_t end = events.find("\n\n", at);
    const std::string data = events.substr(at, end - at);
    at = end == std::string::npos ? events.size() : end + 2;
    if (data == "data: [DONE]") break;
    const Json chunk = ParseJson(data.substr(6), "chunk");
    for (const Json& choice : chunk["choices"]) text += choice["text"].get<std::string>();
  }
  return text;
}

class Serve : public testing::TestWithParam<int> {};

INSTANTIATE_TEST_SUITE_P(Ranks, Serve, testing::Values(1, 2),
                         [](const auto& test) { return "On" + std::to_string(test.param); });

TEST_P(Serve, GivesTheTextThatGenerateGives) {
  if (GetParam() > LOCKSTEP_TEST_RANKS) GTEST_SKIP() << "built without MPI";
  const Outcome generated = RunLockstep({"generate", "--model", Model(), "--prompt",
                                         "ROMEO:", "--max-new-tokens", "24", "--temperature", "0"});
  RunningServer server(OnRanks(GetParam()));
  const std::string asked =
      R"({"model": "bard", "prompt": "ROMEO:", "max_tokens": 24, "temperature": 0)";
  const HttpReply whole = server.Post("/v1/completions", asked + "}");
  EXPECT_EQ(whole.status, 200) << whole.body;
  const Json reply = ParseJson(whole.body, "reply");
  EXPECT_EQ(reply["choices"][0]["text"].get<std::string>() + "\n", generated.output);
  EXPECT_EQ(reply["usage"]["completion_tokens"], 24);
  const HttpReply stream = server.Post("/v1/completions", asked + R"(, "stream": true})");
  EXPECT_THAT(stream.header, HasSubstr("text/event-stream"));
  EXPECT_EQ(TextOf(stream.body) + "\n", generated.output);
  EXPECT_THAT(stream.body, EndsWith("data: [DONE]\n\n"));
  server.Signal(SIGTERM);
  EXPECT_EQ(server.Wait(), 0) << server.errors();
}

TEST_P(Serve, AnswersWhatItHasAcceptedWhenItIsToldToStop) {
  if (GetParam() > LOCKSTEP_TEST_RANKS) GTEST_SKIP() << "built without MPI";
  RunningServer server(OnRanks(GetParam()));
  const int connection = BeginRequest(
      server.port(),
      PostText("/v1/completions",
               R"({"prompt": "ROMEO:", "max_tokens": 200, "ignore_eos": true, "stream": true})"));
  char byte = 0;
  ASSERT_EQ(::recv(connection, &byte, 1, MSG_PEEK), 1);  // it has begun
  server.Signal(SIGTERM);
  const HttpReply reply = ReadReply(connection);
  ::close(connection);
  EXPECT_THAT(reply.body, EndsWith("data: [DONE]\n\n"));
  EXPECT_THAT(reply.body, HasSubstr("\"finish_reason\":\"length\""));
  EXPECT_EQ(server.Wait(), 0);
  EXPECT_THAT(server.errors(), HasSubstr("stopping: no more requests are accepted"));
}

TEST(ServedRequests, AreManyAtATimeAndEachGetsItsOwnText) {
  RunningServer server(OnRanks(1));
  const auto ask = [&](int seed) {
    return server.Post("/v1/completions", R"({"prompt": "JULIET:", "max_tokens": 20, "seed": )" +
                                              std::to_string(seed) + R"(, "stream": true})");
  };
  std::vector<std::string> alone, together(12);
  for (int seed = 0; seed < 12; ++seed) alone.push_back(TextOf(ask(seed).body));
  {
    std::vector<std::jthread> clients;
    for (std::size_t seed = 0; seed < together.size(); ++seed)
      clients.emplace_back(
          [&, seed] { together[seed] = TextOf(ask(static_cast<int>(seed)).body); });
  }
  EXPECT_EQ(together, alone);
}

TEST(ServedRequests, OfAClientThatLeavesAreCancelled) {
  RunningServer server(OnRanks(1));
  for (const char* stream : {"true", "false"}) {
    const int connection = BeginRequest(
        server.port(), PostText("/v1/completions",
                                std::string(R"({"prompt": ["a", "b"], "max_tokens": 240, "n": 20,
        "ignore_eos": true, "stream": )") +
                                    stream + "}"));
    while (server.Metric("num_requests_running") != 2)
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    ::close(connection);
    while (server.Metric("num_requests_running") != 0)
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    EXPECT_EQ(server.Metric("requests_completed_total"), 0) << stream;
  }
}

TEST(ServedRequests, ThatAreNoneAreRefusedAndTheServerGoesOn) {
  RunningServer server(OnRanks(1));
  EXPECT_EQ(AskServer(server.port(), "GARBAGE\r\n\r\n").status, 400);
  EXPECT_EQ(AskServer(server.port(), "GET / HTTP/1.1\r\nX: " + std::string(20000, 'a') + "\r\n\r\n")
                .status,
            431);
  EXPECT_EQ(
      AskServer(server.port(), "POST /tokenize HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n")
          .status,
      413);
  EXPECT_EQ(
      AskServer(server.port(), "POST /tokenize HTTP/1.1\r\nContent-Length: -5\r\n\r\n").status,
      400);
  EXPECT_EQ(server.Post("/v1/completions", "{").status, 400);
  EXPECT_EQ(server.Post("/v1/completions", std::string("{\"prompt\": \"\xff\"}")).status, 400);
  EXPECT_EQ(server.Post("/v1/completions", std::string(100000, '[')).status, 400);
  EXPECT_EQ(server.Get("/v1/completions").status, 405);
  EXPECT_EQ(server.Get("/etc/passwd").status, 404);
  const HttpReply model = server.Post("/v1/completions", R"({"prompt": "a", "model": "other"})");
  EXPECT_EQ(model.status, 404);
  EXPECT_THAT(model.body, HasSubstr("\"type\":\"not_found_error\""));
  EXPECT_EQ(server.Get("/health").status, 200);
  EXPECT_EQ(ParseJson(server.Get("/v1/models").body, "models")["data"][0]["id"], "bard");
}

TEST(ServedRequests, NeedTheKeyWhereThereIsOne) {
  const TemporaryFolder folder;
  WriteText(folder / "key", "secret\n");
  RunningServer server(OnRanks(1, {"--api-key-file", (folder / "key").string()}));
  EXPECT_EQ(server.Get("/v1/models").status, 401);
  EXPECT_EQ(server.Get("/v1/models", "Authorization: Bearer wrong\r\n").status, 401);
  EXPECT_EQ(server.Get("/v1/models", "Authorization: Bearer secret\r\n").status, 200);
  EXPECT_EQ(server.Get("/health").status, 200);
}

TEST(ServedRequests, BeyondTheQueueAreSentAwayWithATimeToComeBack) {
  RunningServer server(OnRanks(1, {"--max-queue", "1"}));
  const std::string asked = R"({"prompt": "a", "max_tokens": 240, "ignore_eos": true, "n": 20})";
  const int connection = BeginRequest(server.port(), PostText("/v1/completions", asked));
  while (server.Metric("num_requests_running") != 1)
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  const HttpReply refused = server.Post("/v1/completions", R"({"prompt": "a", "max_tokens": 1})");
  EXPECT_EQ(refused.status, 503);
  EXPECT_THAT(refused.header, HasSubstr("Retry-After: 1\r\n"));
  EXPECT_EQ(server.Metric("requests_refused_total"), 1);
  EXPECT_EQ(ReadReply(connection).status, 200);
  ::close(connection);
  // What never fits is not told to come back.
  const HttpReply never =
      server.Post("/v1/completions", R"({"prompt": ["a", "b"], "max_tokens": 1})");
  EXPECT_EQ(never.status, 400);
  EXPECT_THAT(never.body, HasSubstr("prompt has 2 texts; this server takes 1 at a time"));
  EXPECT_THAT(never.body, HasSubstr("\"param\":\"prompt\""));
}

TEST(AServer, SaysWhereItIsAskedByAnAddressOfIpv6) {
  const int socket = ::socket(AF_INET6, SOCK_STREAM, 0);
  sockaddr_in6 any_port{};
  any_port.sin6_family = AF_INET6;
  any_port.sin6_addr = in6addr_loopback;
  const bool has_v6 = socket >= 0 && ::bind(socket, reinterpret_cast<const sockaddr*>(&any_port),
                                            sizeof(any_port)) == 0;
  ::close(socket);
  if (!has_v6) GTEST_SKIP() << "this system has no ::1";
  const RunningServer server(OnRanks(1, {"--host", "::1"}));
  EXPECT_THAT(server.errors(), HasSubstr("ready: http://[::1]:" + std::to_string(server.port())));
}

TEST(AServer, SaysWhyItCannotBegin) {
  RunningServer server(OnRanks(1));
  const auto taken = OnRanks(1, {"serve", "--port", std::to_string(server.port())});
  const Outcome outcome = RunLockstep(taken);
  EXPECT_EQ(outcome.exit_code, 3);
  EXPECT_THAT(outcome.errors,
              HasSubstr("server: cannot listen at 127.0.0.1:" + std::to_string(server.port())));
  const Outcome unknown = RunLockstep(OnRanks(1, {"serve", "--host", "no.such.host"}));
  EXPECT_EQ(unknown.exit_code, 2);
  EXPECT_THAT(unknown.errors, HasSubstr("(--host) is \"no.such.host\"; expected an IP address"));
  const Outcome nowhere = RunLockstep({"serve", "--port", "0"});
  EXPECT_EQ(nowhere.exit_code, 2);
  EXPECT_THAT(nowhere.errors, HasSubstr("serve: no model; expected --model MODEL"));
}

// Chats are completions of what the template writes; a model without one is told apart by name.
TEST(ServeChats, UsesTheTemplateOfAFile) {
  const TemporaryFolder folder;
  WriteText(folder / "chat.jinja", "{% for m in messages %}{{ m.content }}{% endfor %}\n");
  const std::string chat =
      R"({"messages": [{"role": "user", "content": "ROMEO:"}], "max_tokens": 8, "temperature": 0})";
  {
    RunningServer server(OnRanks(1, {"--chat-template", (folder / "chat.jinja").string()}));
    const HttpReply reply = server.Post("/v1/chat/completions", chat);
    ASSERT_EQ(reply.status, 200) << reply.body;
    const HttpReply plain = server.Post(
        "/v1/completions", R"({"prompt": "ROMEO:", "max_tokens": 8, "temperature": 0})");
    EXPECT_EQ(ParseJson(reply.body, "chat")["choices"][0]["message"]["content"],
              ParseJson(plain.body, "completion")["choices"][0]["text"]);
  }
  RunningServer server(OnRanks(1));
  const HttpReply refused = server.Post("/v1/chat/completions", chat);
  EXPECT_EQ(refused.status, 400);
  EXPECT_THAT(refused.body, HasSubstr("the model has no chat template; use /v1/completions"));
}

TEST(ServeChats, EndsWithAMessageForATemplateThatCannotBeRead) {
  const TemporaryFolder folder;
  WriteText(folder / "chat.jinja", "{{ messages | nope }}");
  const Outcome run = RunLockstep({"serve", "--model", Model(), "--port", "0", "--chat-template",
                                   (folder / "chat.jinja").string()});
  EXPECT_EQ(run.exit_code, 2);
  EXPECT_THAT(run.errors,
              HasSubstr("chat.jinja: chat template, line 1, column 15: the filter nope"));
}

}  // namespace
}  // namespace lockstep
