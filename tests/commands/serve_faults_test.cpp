// Ranks die, hang and do not start, and the clients of their server see a pause.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <thread>

#include "core/json.h"
#include "program.h"
#include "running_server.h"
#include "tests/support/test_data.h"

namespace lockstep {
namespace {

using testing::HasSubstr;

std::filesystem::path Model() { return SourceFolder() / "models/shakespeare-neox"; }

std::vector<std::string> OnRanks(int ranks, std::vector<std::string> more = {}) {
  more.insert(more.begin(),
              {"--model", Model().string(), "--threads", "1", "--tp", std::to_string(ranks)});
  return more;
}

void Pause() { std::this_thread::sleep_for(std::chrono::milliseconds(5)); }

// Several long texts, on their way for a while.
class LongStream {
 public:
  explicit LongStream(const RunningServer& server)
      : connection_(BeginRequest(server.port(), PostText("/v1/completions", R"({"prompt": "ROMEO:",
            "max_tokens": 250, "ignore_eos": true, "n": 10, "seed": 5, "logprobs": 2,
            "stream": true})"))) {
    // Until its first token has come.
    std::string seen;
    while (seen.find("data: ") == std::string::npos) {
      seen.resize(4096);
      const ssize_t count = ::recv(connection_, seen.data(), seen.size(), MSG_PEEK);
      if (count <= 0) {
        ADD_FAILURE() << "the server has closed the connection";
        return;
      }
      seen.resize(static_cast<std::size_t>(count));
      Pause();
    }
  }
  LongStream(const LongStream&) = delete;
  LongStream& operator=(const LongStream&) = delete;
  ~LongStream() { ::close(connection_); }

  // To its end: of each choice all that came for it, put together. What texts bring beside each
  // other comes in any order.
  std::map<int, std::string> Read() const {
    std::map<int, std::string> choices;
    const std::string events = ReadReply(connection_).body;
    for (std::size_t at = 0; at < events.size();) {
      const std::size_t end = std::min(events.find("\n\n", at), events.size());
      const std::string data = events.substr(at + 6, end - at - 6);
      at = end + 2;
      if (data == "[DONE]") return choices;
      const Json chunk = ParseJson(data, "chunk");
      if (!chunk.contains("choices")) break;
      for (const Json& choice : chunk["choices"])
        choices[choice["index"].get<int>()] += DumpJson(choice);
    }
    ADD_FAILURE() << "the stream has no end: " << events.substr(events.size() / 2);
    return choices;
  }

 private:
  int connection_;
};

std::map<int, std::string> TextsWithoutFaults(const RunningServer& server) {
  return LongStream(server).Read();
}

// The group's own process, mpirun, and the ranks; or the one process that is all of them. Waits
// until they are there.
std::vector<pid_t> ProcessesOf(const RunningServer& server, int ranks) {
  const std::size_t count = ranks == 1 ? 1 : static_cast<std::size_t>(ranks) + 2;
  std::vector<pid_t> all = Descendants(server.process());
  for (; all.size() < count; all = Descendants(server.process())) Pause();
  if (ranks > 1) std::sort(all.begin() + 2, all.end());
  return all;
}

void WaitUntilReady(const RunningServer& server, int restarts) {
  while (server.Metric("group_restarts_total") < restarts || server.Get("/health").status != 200)
    Pause();
}

class Faults : public testing::TestWithParam<int> {
 protected:
  void SetUp() override {
    if (GetParam() > LOCKSTEP_TEST_RANKS) GTEST_SKIP() << "built without MPI";
  }
};

INSTANTIATE_TEST_SUITE_P(Ranks, Faults, testing::Values(1, 2),
                         [](const auto& test) { return "On" + std::to_string(test.param); });

TEST_P(Faults, ThatKillAProcessOfTheRanksAreNotSeen) {
  const RunningServer server(OnRanks(GetParam()));
  const auto expected = TextsWithoutFaults(server);
  const std::size_t count = ProcessesOf(server, GetParam()).size();
  for (std::size_t victim = 0; victim < count; ++victim) {
    const LongStream stream(server);
    ::kill(ProcessesOf(server, GetParam()).at(victim), SIGKILL);
    EXPECT_EQ(stream.Read(), expected) << victim;
    WaitUntilReady(server, static_cast<int>(victim) + 1);
  }
}

// Rank 0 has the first stage, rank 1 the second.
TEST(FaultsOfAPipeline, ThatKillOrStopAStageAreNotSeen) {
  if (LOCKSTEP_TEST_RANKS == 1) GTEST_SKIP() << "built without MPI";
  const auto expected = TextsWithoutFaults(RunningServer(OnRanks(1)));
  const RunningServer server(OnRanks(1, {"--pp", "2", "--set", "comm.deadline_seconds=2"}));
  EXPECT_EQ(TextsWithoutFaults(server), expected);
  int restarts = 0;
  for (const int signal_number : {SIGKILL, SIGSTOP})
    for (const std::size_t stage : {0u, 1u}) {
      const LongStream stream(server);
      ::kill(ProcessesOf(server, 2).at(2 + stage), signal_number);
      EXPECT_EQ(stream.Read(), expected) << "stage " << stage << ", signal " << signal_number;
      WaitUntilReady(server, ++restarts);
    }
}

TEST_P(Faults, ThatStopARankAreNotSeen) {
  const RunningServer server(OnRanks(GetParam(), {"--set", "comm.deadline_seconds=2"}));
  const auto expected = TextsWithoutFaults(server);
  int restarts = 0;
  for (const int rank : GetParam() == 1 ? std::vector{0} : std::vector{2, 3}) {
    const LongStream stream(server);
    ::kill(ProcessesOf(server, GetParam()).at(static_cast<std::size_t>(rank)), SIGSTOP);
    EXPECT_EQ(stream.Read(), expected) << rank;
    WaitUntilReady(server, ++restarts);
  }
}

TEST_P(Faults, BeforeTheRanksAreBackAreNotSeen) {
  const RunningServer server(OnRanks(GetParam()));
  const auto expected = TextsWithoutFaults(server);
  const LongStream stream(server);
  for (int kills = 0; kills < 2; ++kills) {
    for (const pid_t process : ProcessesOf(server, 1)) ::kill(process, SIGKILL);
    while (server.Metric("group_restarts_total") <= kills) Pause();
  }
  EXPECT_EQ(stream.Read(), expected);
}

TEST_P(Faults, OfTheServerEndItsRanks) {
  const RunningServer server(OnRanks(GetParam()));
  const std::vector<pid_t> processes = ProcessesOf(server, GetParam());
  server.Signal(SIGKILL);
  for (const pid_t process : processes)
    while (IsAlive(process)) Pause();
}

// A model that can be taken away, so that the ranks cannot be started.
class Restart : public testing::Test {
 protected:
  Restart() { std::filesystem::copy(Model(), folder_ / "model"); }

  std::vector<std::string> Arguments() const {
    return {"--model", (folder_ / "model").string(), "--threads", "1"};
  }
  void KillWithoutModel(const RunningServer& server) {
    std::filesystem::rename(folder_ / "model", folder_ / "away");
    for (const pid_t process : ProcessesOf(server, 1)) ::kill(process, SIGKILL);
    while (server.Get("/health").status == 200) Pause();
  }
  void GiveTheModelBack() { std::filesystem::rename(folder_ / "away", folder_ / "model"); }

  const TemporaryFolder folder_;
};

TEST_F(Restart, IsTriedUntilItSucceedsAndHealthSaysWhy) {
  const RunningServer server(Arguments());
  const auto expected = TextsWithoutFaults(server);
  const LongStream before(server);
  KillWithoutModel(server);
  HttpReply health = server.Get("/health");
  while (health.body.find("exit code 2") == std::string::npos) health = server.Get("/health");
  EXPECT_EQ(health.status, 503);
  EXPECT_THAT(health.body, HasSubstr("the ranks are being started again"));
  EXPECT_EQ(server.Metric("groups_ready"), 0);
  const int during = BeginRequest(server.port(), PostText("/v1/completions", R"({"prompt": "a"})"));
  GiveTheModelBack();
  EXPECT_EQ(before.Read(), expected);
  EXPECT_EQ(ReadReply(during).status, 200);
  ::close(during);
  EXPECT_EQ(server.Get("/health").status, 200);
}

TEST_F(Restart, ComesToItsEndWhereTheServerIsToldToStop) {
  RunningServer server(Arguments());
  const auto expected = TextsWithoutFaults(server);
  const LongStream stream(server);
  KillWithoutModel(server);
  server.Signal(SIGTERM);
  GiveTheModelBack();
  EXPECT_EQ(stream.Read(), expected);
  EXPECT_EQ(server.Wait(), 0) << server.errors();
}

TEST(AGroup, ThatCannotBeStartedAtAllIsReportedOnce) {
  auto arguments = OnRanks(std::min(2, LOCKSTEP_TEST_RANKS),
                           {"--set", "engine.cache_tokens=1099511627776", "--port", "0"});
  arguments.insert(arguments.begin(), "serve");
  const Outcome outcome = RunLockstep(arguments);
  EXPECT_EQ(outcome.exit_code, 3);
  EXPECT_THAT(outcome.errors, HasSubstr("memory"));
  EXPECT_EQ(std::ranges::count(outcome.errors, '\n'), 1) << outcome.errors;
}

TEST(Groups, StandInForEachOther) {
  const RunningServer server(OnRanks(1, {"--dp", "2"}));
  EXPECT_EQ(server.Metric("groups_ready"), 2);
  const auto expected = TextsWithoutFaults(server);
  for (int restarts = 1; restarts <= 2; ++restarts) {
    const LongStream one(server), other(server);
    ::kill(ProcessesOf(server, 1).at(0), SIGKILL);
    EXPECT_EQ(one.Read(), expected);
    EXPECT_EQ(other.Read(), expected);
    WaitUntilReady(server, restarts);
  }
}

}  // namespace
}  // namespace lockstep
