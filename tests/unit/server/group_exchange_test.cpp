#include "server/groups/group_exchange.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <vector>

namespace lockstep {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

// Two groups, and all that is done with them: "0 reads a", "all have a", "ended: why".
class GroupExchangeTest : public testing::Test {
 protected:
  void Begin(LoadWish::Clock::time_point until = LoadWish::Clock::time_point::max()) {
    exchange_.Begin({.checkpoint = "a", .until = until}, [this](const LoadOutcome& outcome) {
      EXPECT_FALSE(exchange_.under_way());
      done_.push_back(outcome.error ? std::string("ended: ") + outcome.error->what() : "loaded");
    });
  }
  void Answer(std::size_t group, const std::string& error = "") {
    exchange_.Take(group, {error.empty() ? ExitCode::kOk : ExitCode::kBadInput, error, 1.0});
  }
  std::vector<std::string> Done() { return std::exchange(done_, {}); }

  static std::string Word(WeightsStep step) {
    switch (step) {
      case WeightsStep::kRead: return "reads";
      case WeightsStep::kSwitch: return "switches to";
      case WeightsStep::kDrop: return "drops";
    }
    return "";
  }

  std::vector<std::string> done_;
  GroupExchange exchange_{
      2,
      {.send =
           [this](std::size_t group, const WeightsMessage& message) {
             done_.push_back(
                 fmt::format("{} {} {}", group, Word(message.step), message.checkpoint));
           },
       .decide = [this](const std::string& one) { done_.push_back("all have " + one); }}};
};

constexpr const char* kLost =
    "ended: ranks have ended meanwhile, and are started again with those before";

TEST_F(GroupExchangeTest, SwitchesWhenAllHaveReadAndEndsWhenAllHaveSwitched) {
  Begin();
  EXPECT_TRUE(exchange_.waits());
  EXPECT_THAT(Done(), IsEmpty());
  exchange_.Read();
  EXPECT_THAT(Done(), ElementsAre("0 reads a", "1 reads a"));
  Answer(1);
  Answer(1);
  EXPECT_THAT(Done(), IsEmpty());
  Answer(0);
  EXPECT_THAT(Done(), ElementsAre("all have a", "0 switches to a", "1 switches to a"));
  Answer(0);
  EXPECT_THAT(Done(), IsEmpty());
  Answer(1);
  EXPECT_THAT(Done(), ElementsAre("loaded"));
}

TEST_F(GroupExchangeTest, IsDroppedByAllWhereOneCannotRead) {
  Begin();
  exchange_.Read();
  Done();
  Answer(0, "why");
  EXPECT_THAT(Done(), IsEmpty()) << "the other one still reads";
  Answer(1);
  EXPECT_THAT(Done(), ElementsAre("0 drops a", "1 drops a", "ended: why"));
}

TEST_F(GroupExchangeTest, EndsWithAGroupThatIsLostBeforeTheSwitch) {
  Begin();
  exchange_.NoteLost(1);
  EXPECT_THAT(Done(), ElementsAre(kLost));
  Begin();
  exchange_.Read();
  Done();
  Answer(0);
  exchange_.NoteLost(1);
  EXPECT_THAT(Done(), ElementsAre("0 drops a", "1 drops a", kLost));
  Begin();
  exchange_.Read();
  Done();
  Answer(1);
  exchange_.NoteLost(1);
  EXPECT_THAT(Done(), IsEmpty()) << "the other one still reads";
  Answer(0);
  EXPECT_THAT(Done(), ElementsAre("0 drops a", "1 drops a", kLost));
  exchange_.NoteLost(0);
  EXPECT_THAT(Done(), IsEmpty());
}

TEST_F(GroupExchangeTest, EndsWellWhereAGroupIsLostAfterIt) {
  Begin();
  exchange_.Read();
  Answer(0);
  Answer(1);
  Done();
  exchange_.NoteLost(0);
  EXPECT_THAT(Done(), IsEmpty());
  Answer(1);
  EXPECT_THAT(Done(), ElementsAre("loaded"));
}

TEST_F(GroupExchangeTest, EndsWhenItHasWaitedTooLongAndNotWhenItReads) {
  const LoadWish::Clock::time_point now{std::chrono::seconds(100)};
  const auto later = now + std::chrono::seconds(1);
  EXPECT_FALSE(exchange_.EndIfLate(later));
  Begin(later);
  EXPECT_FALSE(exchange_.EndIfLate(now));
  EXPECT_TRUE(exchange_.waits());
  EXPECT_TRUE(exchange_.EndIfLate(later));
  EXPECT_THAT(Done(), ElementsAre("ended: the texts that had begun have not ended in time"));
  EXPECT_FALSE(exchange_.EndIfLate(later));
  Begin(later);
  exchange_.Read();
  EXPECT_FALSE(exchange_.EndIfLate(later));
  Answer(0);
  Answer(1);
  Answer(0);
  Answer(1);
  EXPECT_EQ(Done().back(), "loaded") << "what was late before has left nothing behind";
}

TEST_F(GroupExchangeTest, IsGivenUpOnceAndNotBegunTwice) {
  exchange_.GiveUp(BadInput("nothing"));
  Begin();
  EXPECT_THROW(Begin(), Error);
  exchange_.GiveUp(BadInput("stopped"));
  exchange_.GiveUp(BadInput("again"));
  EXPECT_THAT(Done(), ElementsAre("ended: stopped"));
}

}  // namespace
}  // namespace lockstep
