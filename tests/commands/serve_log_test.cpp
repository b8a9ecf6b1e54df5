// What lockstep serve says, in both formats, and what it keeps to itself.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <iterator>
#include <regex>
#include <sstream>
#include <thread>

#include "core/json.h"
#include "program.h"
#include "running_server.h"
#include "tests/support/test_data.h"

namespace lockstep {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr int kRanks = std::min(2, LOCKSTEP_TEST_RANKS);

std::vector<std::string> With(std::vector<std::string> more) {
  more.insert(more.end(), {"--model", (SourceFolder() / "models/shakespeare-neox").string(),
                           "--threads", "1", "--tp", std::to_string(kRanks)});
  return more;
}

std::vector<std::string> LinesOf(const std::string& text) {
  std::istringstream stream(text);
  std::vector<std::string> lines;
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

// What /proc says of a process.
std::string TextOf(pid_t process, const std::string& what) {
  std::ifstream file("/proc/" + std::to_string(process) + "/" + what, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

constexpr const char* kTrace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
constexpr const char* kLongText =
    R"({"prompt": "ROMEO:", "max_tokens": 250, "ignore_eos": true, "n": 10, "stream": true})";

TEST(ServeLog, InJsonIsAnObjectALineEvenWhereRanksDie) {
  RunningServer server(With({"--log-format", "json", "--log-requests"}));
  const std::string begun = server.errors();
  const int stream = BeginRequest(
      server.port(),
      PostText("/v1/completions", kLongText,
               std::string("X-Request-Id: long-one\r\ntraceparent: ") + kTrace + "\r\n"));
  std::string seen(4096, '\0');
  while (seen.find("data: ") == std::string::npos) {
    seen.resize(4096);
    seen.resize(static_cast<std::size_t>(
        std::max<ssize_t>(0, ::recv(stream, seen.data(), seen.size(), MSG_PEEK))));
    ASSERT_FALSE(seen.empty());
  }
  ::kill(Descendants(server.process()).back(), SIGKILL);
  EXPECT_THAT(ReadReply(stream).body, HasSubstr("data: [DONE]"));
  ::close(stream);
  EXPECT_EQ(server.Post("/v1/completions", "{\"prompt\": \"\xff\n\"}").status, 400);
  server.Signal(SIGTERM);
  EXPECT_EQ(server.Wait(), 0) << server.errors();

  EXPECT_THAT(ParseJson(LinesOf(begun).back(), "line")["message"].get<std::string>(),
              testing::StartsWith("ready: http://127.0.0.1:"));
  std::vector<std::string> about;
  for (const std::string& line : LinesOf(server.errors())) {
    const Json object = ParseJson(line, line);
    for (const char* name : {"time", "level", "message"})
      EXPECT_TRUE(object.contains(name)) << line;
    if (object.value("request_id", "") != "long-one") continue;
    about.push_back(object["message"]);
    EXPECT_EQ(object["trace_id"], "0af7651916cd43dd8448eb211c80319c");
  }
  ASSERT_EQ(about.size(), 3u) << server.errors();
  EXPECT_EQ(about[0], "request accepted");
  EXPECT_THAT(about[1], HasSubstr("is given to ranks again, and continues after"));
  EXPECT_EQ(about[2], "request ended");
}

TEST(ServeLog, InTextHasTheTimeAndEndsItsStartWithTheAddress) {
  RunningServer server(With({}));
  for (const std::string& line : LinesOf(server.errors()))
    EXPECT_THAT(line, testing::MatchesRegex("[0-9T:.-]{23}Z lockstep.*")) << line;
  EXPECT_THAT(LinesOf(server.errors()).back(),
              HasSubstr("Z lockstep: ready: http://127.0.0.1:" + std::to_string(server.port())));
  EXPECT_EQ(server.Get("/version").status, 200);
  server.Signal(SIGTERM);
  EXPECT_EQ(server.Wait(), 0);
  EXPECT_THAT(server.errors(), Not(HasSubstr("request ended")));  // nobody has asked for it
}

// Ranks add up in every step, and one alone with nobody.
TEST(ServeMetrics, TellHowMuchOfTheStepsIsAllReduces) {
  if (kRanks == 1) GTEST_SKIP() << "needs two ranks";
  const RunningServer server(With({}));
  EXPECT_EQ(server.Post("/v1/completions", R"({"prompt": "ROMEO:", "max_tokens": 8})").status, 200);
  const auto seconds = [&](const std::string& name) {
    const std::string text = server.Get("/metrics").body;
    const std::regex line("\nlockstep:" + name + R"(\{[^}]*group="0"\} ([^\n]*)\n)");
    std::smatch found;
    return std::regex_search(text, found, line) ? std::stod(found[1]) : -1;
  };
  while (seconds("step_seconds_total") == 0)  // it is told a few times a second
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  EXPECT_GT(seconds("all_reduce_seconds_total"), 0);
  EXPECT_LT(seconds("all_reduce_seconds_total"), seconds("step_seconds_total"));
}

// A flag is there for everybody on the machine to see, but the server does not spread it.
TEST(ServeKey, OfTheCommandLineIsNotThatOfTheRanksNorInTheLog) {
  RunningServer server(With({"--api-key", "the-secret", "--log-requests", "--verbose"}));
  EXPECT_EQ(server.Get("/v1/models").status, 401);
  EXPECT_EQ(server.Get("/v1/models", "Authorization: Bearer the-secret\r\n").status, 200);
  const std::vector<pid_t> ranks = Descendants(server.process());
  ASSERT_FALSE(ranks.empty());
  for (const pid_t process : ranks) {
    EXPECT_THAT(TextOf(process, "cmdline"), Not(HasSubstr("the-secret")));
    EXPECT_THAT(TextOf(process, "environ"), Not(HasSubstr("the-secret")));
  }
  server.Signal(SIGTERM);
  EXPECT_EQ(server.Wait(), 0);
  EXPECT_THAT(server.errors(), Not(HasSubstr("the-secret")));
}

TEST(ServeKey, IsRefusedWhereTwoAreGivenOrOneIsEmpty) {
  const std::string model = (SourceFolder() / "models/shakespeare-neox").string();
  const Outcome two = RunLockstep(
      {"serve", "--model", model, "--api-key", "the-secret", "--api-key-file", "somewhere"});
  EXPECT_EQ(two.exit_code, 2);
  EXPECT_THAT(two.errors, HasSubstr("--api-key and the file somewhere are both given"));
  EXPECT_THAT(two.errors, Not(HasSubstr("the-secret")));
  const Outcome empty = RunLockstep({"serve", "--model", model, "--api-key", ""});
  EXPECT_EQ(empty.exit_code, 2);
  EXPECT_THAT(empty.errors, HasSubstr("--api-key: is empty"));
}

}  // namespace
}  // namespace lockstep
