#include <gmock/gmock.h>

#include <chrono>
#include <string>
#include <vector>

#include "core/activity.h"
#include "core/heartbeat.h"
#include "runtime/world/world.h"
#include "tests/multi_rank/multi_rank.h"

namespace lockstep::testing {
namespace {

using ::testing::HasSubstr;

class AgreeTest : public MultiRank {
 protected:
  // What every rank gets when those for which `fails` holds throw the error.
  template <typename Predicate>
  AgreedError Outcome(const Error& error, Predicate fails) const {
    try {
      Agree(comm(), "loading weights", [&] {
        if (fails(rank())) throw error;
      });
    } catch (const AgreedError& agreed) {
      return agreed;
    }
    return {ExitCode::kOk, ""};
  }
};

TEST_F(AgreeTest, PassesWhenEveryRankSucceeds) {
  int runs = 0;
  EXPECT_NO_THROW(Agree(comm(), "loading weights", [&] { ++runs; }));
  EXPECT_EQ(runs, 1);
}

TEST_F(AgreeTest, GivesAMessageThatAllRanksShareOnce) {
  const auto error = Outcome(BadInput("config.json: no such file"), [](int) { return true; });
  EXPECT_EQ(error.code(), ExitCode::kBadInput);
  EXPECT_STREQ(error.what(), "config.json: no such file");
}

TEST_F(AgreeTest, NamesTheOneRankThatFailed) {
  const int last = size() - 1;
  const auto error = Outcome(EnvironmentError("disk gone"), [last](int r) { return r == last; });
  EXPECT_EQ(error.code(), ExitCode::kEnvironment);
  EXPECT_THAT(error.what(), HasSubstr("disk gone"));
  if (size() > 1) {
    EXPECT_THAT(error.what(), HasSubstr("rank " + std::to_string(last) + " on "));
  }
}

TEST_F(AgreeTest, NamesEveryRankWhenTheMessagesDiffer) {
  const auto mine = BadInput("row {} is wrong", rank());
  const auto error = Outcome(mine, [](int) { return true; });
  for (int r = 0; r < size(); ++r) {
    EXPECT_THAT(error.what(), HasSubstr("row " + std::to_string(r) + " is wrong"));
  }
}

TEST_F(AgreeTest, TakesTheCodeOfTheLowestFailingRank) {
  const Error mine = rank() % 2 == 0 ? EnvironmentError("even") : BadInput("odd");
  const auto error = Outcome(mine, [this](int r) { return size() == 1 || r >= 1; });
  EXPECT_EQ(error.code(), size() == 1 ? ExitCode::kEnvironment : ExitCode::kBadInput);
}

// Ten deadlines is what a rank that says nothing gets.
TEST_F(AgreeTest, WaitsForARankThatWorksLongAndShowsIt) {
  const DeadlineScope short_one(comm(), 0.1);
  EXPECT_NO_THROW(Agree(comm(), "reading the input", [&] {
    const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(2500);
    while (rank() == 0 && std::chrono::steady_clock::now() < end) Heartbeat();
  }));
  const auto error = Outcome(BadInput("no"), [](int r) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(200);
    while (r == 0 && std::chrono::steady_clock::now() < end) Heartbeat();
    return r == 0;
  });
  EXPECT_EQ(error.code(), ExitCode::kBadInput) << "and hears what has come of it";
}

// While one works, and at the end.
TEST_F(AgreeTest, TellsEverybodyHowFarTheRanksAre) {
  const DeadlineScope short_one(comm(), 1);
  double mine = 0.0;
  std::vector<std::vector<double>> heard;
  const SharedProgress progress{
      .mine = [&] { return mine; },
      .heard =
          [&](std::span<const double> ranks) { heard.emplace_back(ranks.begin(), ranks.end()); }};
  Agree(
      comm(), "loading weights",
      [&] {
        mine = rank() == 0 ? 0.25 : 1.0;
        while (rank() == 0 && heard.empty()) Heartbeat();
        mine = 1.0;
      },
      progress);
  ASSERT_GE(heard.size(), 2u);
  std::vector<double> first(static_cast<std::size_t>(size()), 1.0);
  first[0] = 0.25;
  EXPECT_EQ(heard.front(), first);
  EXPECT_EQ(heard.back(), std::vector<double>(static_cast<std::size_t>(size()), 1.0));
}

TEST_F(AgreeTest, LeavesTheWorldUsableAndTheDeadlineAsItWas) {
  const double before = comm().deadline_seconds();
  Outcome(BadInput("no"), [](int r) { return r == 0; });
  EXPECT_EQ(comm().deadline_seconds(), before);
  comm().Barrier();
}

}  // namespace
}  // namespace lockstep::testing
