// Groups of ranks that die, hang and do not start, with processes that only pretend to be ranks.
#include "server/groups/supervisor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <condition_variable>
#include <cstdlib>
#include <future>
#include <numeric>
#include <set>
#include <thread>

#include "core/files/file.h"
#include "tests/support/test_data.h"
#include "tests/unit/server/fake_group.h"

namespace lockstep {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

// The tokens of one request, for another thread to wait for.
class Client : public RequestSink {
 public:
  void OnPiece(std::size_t /*sample*/, const TokenPiece& piece) override {
    const std::lock_guard lock(mutex_);
    tokens_.push_back(piece.token);
    texts_.insert(std::string(piece.text));
  }
  void OnResult(TextResult /*result*/) override { End(""); }
  void OnError(const Error& error) override { End(error.what()); }
  const LogLabel* label() const override { return label_.request_id.empty() ? nullptr : &label_; }
  // Before it is asked for.
  void set_label(LogLabel label) { label_ = std::move(label); }
  // Called when it ends, on the supervisor's thread.
  void set_on_end(std::function<void()> call) { on_end_ = std::move(call); }

  // Why it has no result; empty where it has one.
  std::string Wait() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return ends_ > 0; });
    EXPECT_EQ(ends_, 1);
    return error_;
  }
  std::vector<std::int32_t> tokens() const {
    const std::lock_guard lock(mutex_);
    return tokens_;
  }
  // All that pieces had for text, each once.
  std::set<std::string> texts() const {
    const std::lock_guard lock(mutex_);
    return texts_;
  }

 private:
  void End(const std::string& error) {
    const std::lock_guard lock(mutex_);
    error_ = error;
    ++ends_;
    if (on_end_) on_end_();
    changed_.notify_all();
  }

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::int32_t> tokens_;
  std::set<std::string> texts_;
  std::string error_;
  LogLabel label_;
  std::function<void()> on_end_;
  int ends_ = 0;
};

std::vector<std::int32_t> Counting(std::int32_t count) {
  std::vector<std::int32_t> tokens(static_cast<std::size_t>(count));
  std::iota(tokens.begin(), tokens.end(), 0);
  return tokens;
}

class SupervisorTest : public testing::Test {
 protected:
  void Open(std::size_t groups = 1, GroupPlan plan = {}) {
    if (plan.command.empty()) plan.command = FakeGroupCommand();
    supervisor_ = std::make_unique<Supervisor>(
        Supervisor::Plan{.groups = std::vector<GroupPlan>(groups, plan)});
  }
  // Runs it here, and the clients on a thread of their own; drains it behind them.
  ExitCode Serve(const std::function<void()>& clients) {
    const std::jthread thread([&] {
      clients();
      supervisor_->Drain();
    });
    return supervisor_->Run([] {}, [] {});
  }
  std::shared_ptr<Client> Ask(const std::string& prompt, std::int64_t tokens = 5,
                              const std::string& id = "") {
    const auto client = std::make_shared<Client>();
    client->set_label({.request_id = id, .trace_id = ""});
    TextRequest request;
    request.prompt = prompt;
    request.tokens = {1};
    request.sampling.max_new_tokens = tokens;
    EXPECT_TRUE(supervisor_->Submit(std::move(request), client));
    return client;
  }
  // When all groups answer. Until it has ended: why it came to nothing; empty where the weights are
  // there.
  std::string Load(const std::string& checkpoint,
                   LoadWish::Clock::time_point until = LoadWish::Clock::time_point::max()) {
    while (!supervisor_->unavailable().empty())
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    std::promise<std::string> outcome;
    supervisor_->Load({.checkpoint = checkpoint, .until = until}, [&](const LoadOutcome& one) {
      outcome.set_value(one.error ? one.error->what() : "");
    });
    return outcome.get_future().get();
  }
  std::string Path(const std::string& name) const { return (folder_ / name).string(); }

  const TemporaryFolder folder_;
  std::unique_ptr<Supervisor> supervisor_;
};

TEST_F(SupervisorTest, AnswersAsItsGroupsDo) {
  Open(2);
  EXPECT_EQ(Serve([&] {
              std::vector<std::shared_ptr<Client>> clients;
              for (int i = 0; i < 300; ++i) clients.push_back(Ask("", i % 20 + 1));
              for (int i = 0; i < 300; ++i) {
                EXPECT_EQ(clients[static_cast<std::size_t>(i)]->Wait(), "");
                EXPECT_EQ(clients[static_cast<std::size_t>(i)]->tokens(), Counting(i % 20 + 1));
              }
            }),
            ExitCode::kOk);
  EXPECT_EQ(supervisor_->statistics().completed, 300);
  EXPECT_EQ(supervisor_->statistics().group_restarts, 0);
}

TEST_F(SupervisorTest, LosesAndRepeatsNothingWhereGroupsDie) {
  for (const std::size_t groups : {1UL, 2UL}) {
    Open(groups);
    Serve([&] {
      std::vector<std::shared_ptr<Client>> clients;
      for (int i = 0; i < 10; ++i)
        clients.push_back(
            Ask(i % 5 == 0 ? "die " + Path(std::to_string(groups * 100) + std::to_string(i)) : ""));
      for (const auto& client : clients) {
        EXPECT_EQ(client->Wait(), "");
        EXPECT_EQ(client->tokens(), Counting(5));
      }
    });
    EXPECT_EQ(supervisor_->statistics().group_restarts, 2);
    EXPECT_EQ(supervisor_->statistics().completed, 10);
  }
}

TEST_F(SupervisorTest, NoticesAGroupThatHangs) {
  Open(1, {.silence_seconds = 3});
  Serve([&] {
    const auto client = Ask("stop " + Path("stopped"));
    EXPECT_EQ(client->Wait(), "");
    EXPECT_EQ(client->tokens(), Counting(5));
  });
  EXPECT_EQ(supervisor_->statistics().group_restarts, 1);
}

TEST_F(SupervisorTest, RefusesTheRequestThatEndsItsGroupsAndNoOther) {
  Open();
  Serve([&] {
    std::vector<std::shared_ptr<Client>> before, after;
    for (int i = 0; i < 5; ++i) before.push_back(Ask(""));
    const auto poison = Ask("fail");
    for (int i = 0; i < 5; ++i) after.push_back(Ask(""));
    EXPECT_THAT(poison->Wait(), HasSubstr("has ended the ranks twice"));
    EXPECT_THAT(poison->tokens(), IsEmpty());
    for (const auto& clients : {before, after})
      for (const auto& client : clients) {
        EXPECT_EQ(client->Wait(), "");
        EXPECT_EQ(client->tokens(), Counting(5));
      }
  });
  EXPECT_EQ(supervisor_->statistics().failed, 1);
}

TEST_F(SupervisorTest, NamesInTheLogWhoMayHaveEndedTheRanksWhoIsRefusedAndWhoGoesOn) {
  Open();
  testing::internal::CaptureStderr();
  Serve([&] {
    const auto poison = Ask("fail", 5, "the-poison");
    EXPECT_THAT(poison->Wait(), HasSubstr("it is the-poison in the server's log"));
    const auto victim = Ask("die " + Path("died"), 5, "the-victim");
    EXPECT_EQ(victim->Wait(), "");
  });
  const std::string log = testing::internal::GetCapturedStderr();
  EXPECT_THAT(log, HasSubstr("request 0 may have ended the ranks, from which it had got no token: "
                             "it is tried alone request_id=the-poison\n"));
  EXPECT_THAT(log,
              HasSubstr("request 0 was refused: the ranks have ended each time that they began "
                        "with it request_id=the-poison\n"));
  EXPECT_THAT(log, HasSubstr("request 1 is given to ranks again, and continues after 2 tokens "
                             "request_id=the-victim\n"));
}

TEST_F(SupervisorTest, RefusesNobodyForKillsFromOutside) {
  Open();
  Serve([&] {
    const auto client = Ask("killed " + Path("kills"));
    EXPECT_EQ(client->Wait(), "");
    EXPECT_EQ(client->tokens(), Counting(5));
  });
  EXPECT_EQ(supervisor_->statistics().group_restarts, 3);
}

TEST_F(SupervisorTest, EndsWithTheCodeOfAGroupThatCannotBeStartedAtAll) {
  Open(2, {.command = {"/bin/sh", "-c", "exit 3"}});
  EXPECT_EQ(supervisor_->Run([] { FAIL(); }, [] {}), ExitCode::kEnvironment);
  Open(1, {.command = {"/bin/sh", "-c", "kill -9 $$"}});
  const auto client = Ask("");
  EXPECT_EQ(supervisor_->Run([] { FAIL(); }, [] {}), ExitCode::kRankFailure);
  EXPECT_EQ(client->Wait(), "the server was stopped");
}

TEST_F(SupervisorTest, SaysWhyNothingIsAnsweredAndGoesOnWithFewerRanks) {
  ::setenv("FAKE_GROUP_BROKEN", Path("broken").c_str(), 1);
  Open(1, {.ranks = 2, .least_ranks = 1});
  EXPECT_THAT(supervisor_->unavailable(), HasSubstr("starting"));
  Serve([&] {
    EXPECT_EQ(Ask("")->Wait(), "");
    EXPECT_EQ(supervisor_->unavailable(), "");
    WriteText(folder_ / "broken", "");
    const auto client = Ask("die " + Path("died"));
    while (supervisor_->unavailable().find("exit code 3") == std::string::npos)
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    EXPECT_EQ(client->Wait(), "");
    EXPECT_EQ(client->tokens(), Counting(5));
  });
  ::unsetenv("FAKE_GROUP_BROKEN");
}

TEST_F(SupervisorTest, GoesOnWithOtherWeightsInAllGroupsAndInThoseThatAreStartedAgain) {
  Open(2);
  Serve([&] {
    EXPECT_EQ(Load("other ones"), "");
    std::vector<std::shared_ptr<Client>> clients;
    for (int i = 0; i < 20; ++i) clients.push_back(Ask(""));
    clients.push_back(Ask("die " + Path("died")));
    for (const auto& client : clients) {
      EXPECT_EQ(client->Wait(), "");
      EXPECT_EQ(client->tokens(), Counting(5));
      EXPECT_EQ(client->texts(), std::set<std::string>{"other ones"});
    }
    EXPECT_EQ(Load("again"), "");
    const auto client = Ask("");
    EXPECT_EQ(client->Wait(), "");
    EXPECT_EQ(client->texts(), std::set<std::string>{"again"});
  });
  EXPECT_EQ(supervisor_->statistics().group_restarts, 1);
}

TEST_F(SupervisorTest, GoesOnWithItsWeightsWhereOthersCannotBeRead) {
  Open(2);
  Serve([&] {
    EXPECT_EQ(Load("broken"), "/a/file is damaged");
    EXPECT_THAT(Load("deadly"), HasSubstr("ranks have ended meanwhile"));
    const auto client = Ask("");
    EXPECT_EQ(client->Wait(), "");
    EXPECT_EQ(client->texts(), std::set<std::string>{"t"});
    EXPECT_EQ(Load("other"), "");
  });
}

// What has begun when others are wanted ends on its own weights: here its group hangs, which ends
// the exchange.
TEST_F(SupervisorTest, MixesNoWeightsInOneText) {
  Open(2, {.silence_seconds = 1});
  Serve([&] {
    const auto first = Ask("stop " + Path("stopped"));
    while (first->tokens().size() < 2) std::this_thread::sleep_for(std::chrono::milliseconds(5));
    EXPECT_THAT(Load("other"), HasSubstr("ranks have ended meanwhile"));
    EXPECT_EQ(first->Wait(), "");
    EXPECT_EQ(first->tokens(), Counting(5));
    EXPECT_EQ(first->texts(), std::set<std::string>{"t"});
  });
}

// What has waited for the exchange goes on, on the weights that there are.
TEST_F(SupervisorTest, GivesTheExchangeUpWhereTextsTakeTooLong) {
  Open(2);
  Serve([&] {
    const auto first = Ask("until " + Path("gate"));
    while (supervisor_->statistics().in_flight == 0)
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    EXPECT_THAT(Load("other", LoadWish::Clock::now()), HasSubstr("have not ended in time"));
    const auto second = Ask("");
    WriteText(folder_ / "gate", "");
    for (const auto& client : {first, second}) {
      EXPECT_EQ(client->Wait(), "");
      EXPECT_EQ(client->texts(), std::set<std::string>{"t"});
    }
    EXPECT_EQ(Load("other", LoadWish::Clock::now()), "") << "nothing has to be waited for";
    const auto third = Ask("");
    EXPECT_EQ(third->Wait(), "");
    EXPECT_EQ(third->texts(), std::set<std::string>{"other"});
  });
}

TEST_F(SupervisorTest, EndsTheWishForOtherWeightsWhenItIsAborted) {
  Open();
  const auto client = Ask("wait");
  std::string outcome;
  const auto look = [&, asked = false]() mutable {
    if (supervisor_->statistics().in_flight == 0) return;
    if (!std::exchange(asked, true))
      return supervisor_->Load({.checkpoint = "other"},
                               [&](const LoadOutcome& one) { outcome = one.error.value().what(); });
    supervisor_->Abort();
  };
  supervisor_->Run([] {}, look);
  EXPECT_EQ(outcome, "the server was stopped");
  outcome.clear();
  supervisor_->Load({.checkpoint = "too late"},
                    [&](const LoadOutcome& one) { outcome = one.error.value().what(); });
  EXPECT_EQ(outcome, "the server was stopped");
  EXPECT_EQ(client->Wait(), "the server was stopped");
}

TEST_F(SupervisorTest, EndsWhatItHasAcceptedWhenItIsAborted) {
  Open();
  const auto client = Ask("wait");
  const auto look = [&] {
    if (supervisor_->statistics().in_flight == 1) supervisor_->Abort();
  };
  supervisor_->Run([] {}, look);
  EXPECT_EQ(client->Wait(), "the server was stopped");
  EXPECT_FALSE(supervisor_->Submit({}, std::make_shared<Client>()));
}

// One request at a time, and a few that the engine has beside it.
class FairSupervisor : public SupervisorTest {
 protected:
  static constexpr int kMany = 40;

  void SetUp() override {
    supervisor_ = std::make_unique<Supervisor>(
        Supervisor::Plan{.groups = {{.command = FakeGroupCommand()}}, .most_sequences = 1});
  }
  // Many of a client, of which the first holds up the ranks until all have come, the second one
  // does as it is told; and one of another client. In the order in which they end.
  std::vector<ClientId> EndsOf(const std::string& second) {
    std::vector<ClientId> order;
    std::vector<Ticket> first_clients;
    Serve([&] {
      std::vector<std::shared_ptr<Client>> clients;
      const auto ask = [&](ClientId id, const std::string& prompt) {
        const auto client = clients.emplace_back(std::make_shared<Client>());
        const auto number = static_cast<Ticket>(clients.size());
        client->set_on_end([&, id, number] {
          order.push_back(id);
          if (id == 1) first_clients.push_back(number);
        });
        TextRequest request;
        request.prompt = prompt;
        request.tokens = {1};
        request.sampling.max_new_tokens = 5;
        request.client = id;
        EXPECT_TRUE(supervisor_->Submit(std::move(request), client));
      };
      ask(1, "until " + Path("gate"));
      ask(1, second);
      while (std::ssize(clients) < kMany) ask(1, "");
      ask(2, "");
      WriteText(folder_ / "gate", "");
      for (const auto& client : clients) EXPECT_EQ(client->Wait(), "");
    });
    EXPECT_TRUE(std::ranges::is_sorted(first_clients)) << "a client's own order is kept";
    return order;
  }
};

TEST_F(FairSupervisor, LetsALateClientWaitForNoQueueOfAnother) {
  const std::vector<ClientId> order = EndsOf("");
  ASSERT_EQ(std::ssize(order), kMany + 1);
  EXPECT_LE(std::ranges::find(order, ClientId{2}) - order.begin(), 12);
}

TEST_F(FairSupervisor, IsFairWhenRanksHaveDiedToo) {
  const std::vector<ClientId> order = EndsOf("die " + Path("died"));
  ASSERT_EQ(std::ssize(order), kMany + 1);
  EXPECT_LE(std::ranges::find(order, ClientId{2}) - order.begin(), 12);
  EXPECT_EQ(supervisor_->statistics().group_restarts, 1);
}

TEST(GroupProcess, IsKilledWithAllThatItHasStarted) {
  const TemporaryFolder folder;
  const std::string file = (folder / "orphan").string();
  EndedChildren children;
  // Its child is stopped, and has no parent any more when we look.
  GroupProcess process({.command = {"/bin/sh", "-c",
                                    "sh -c 'echo $$ > " + file +
                                        "; kill -STOP $$' & "
                                        "while [ ! -s " +
                                        file + " ]; do sleep 0.01; done; exit 5"},
                        .variable = "LOCKSTEP_TEST_GROUP=" + file,
                        .cores = {}});
  std::optional<int> status;
  while (!status) status = process.End(children);
  EXPECT_EQ(DescribeEnd(*status), "ended with exit code 5");
  const pid_t orphan = std::stoi(ReadFile(folder / "orphan"));
  EXPECT_EQ(::kill(orphan, 0), 0);
  while (!process.Kill()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
}

TEST(GroupProcess, SeesItsOwnDevices) {
  const TemporaryFolder folder;
  const std::string file = (folder / "seen").string();
  ::setenv("CUDA_VISIBLE_DEVICES", "0,1,2,3", 1);
  EndedChildren children;
  for (const auto& [devices, seen] : {std::pair{"2,3", "2,3\n"}, std::pair{"", "0,1,2,3\n"}}) {
    GroupProcess process({.command = {"/bin/sh", "-c", "echo $CUDA_VISIBLE_DEVICES > " + file},
                          .variable = "LOCKSTEP_TEST_GROUP=" + file,
                          .devices = devices,
                          .cores = {}});
    while (!process.End(children)) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    EXPECT_EQ(ReadFile(folder / "seen"), seen);
  }
  ::unsetenv("CUDA_VISIBLE_DEVICES");
}

}  // namespace
}  // namespace lockstep
