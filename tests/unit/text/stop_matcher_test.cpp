#include "text/stop_matcher.h"

#include <gtest/gtest.h>

namespace lockstep {
namespace {

std::string PushAll(StopMatcher& matcher, const std::vector<std::string>& pieces) {
  std::string shown;
  for (const std::string& piece : pieces) shown += matcher.Push(piece);
  return shown;
}

TEST(StopMatcher, PassesEverythingWithoutStopStrings) {
  StopMatcher matcher({""});
  EXPECT_EQ(matcher.Push("anything"), "anything");
  EXPECT_FALSE(matcher.stopped());
}

TEST(StopMatcher, EndsBeforeAStopStringThatSpansPieces) {
  StopMatcher matcher({"\nROMEO:"});
  EXPECT_EQ(PushAll(matcher, {"Farewell.", "\nRO", "MEO", ": what"}), "Farewell.");
  EXPECT_TRUE(matcher.stopped());
  EXPECT_EQ(matcher.Push("more"), "");
  EXPECT_EQ(matcher.Flush(), "");
}

TEST(StopMatcher, HoldsBackOnlyWhatCouldBeAStopString) {
  StopMatcher matcher({"end"});
  EXPECT_EQ(matcher.Push("the en"), "the ");
  EXPECT_EQ(matcher.Push("emy"), "enemy");
  EXPECT_EQ(matcher.Push(" e"), " ");
  EXPECT_EQ(matcher.Flush(), "e");
}

TEST(StopMatcher, TakesTheEarliestOfSeveral) {
  StopMatcher matcher({"later", "ear"});
  EXPECT_EQ(matcher.Push("an early or later one"), "an ");
}

TEST(StopMatcher, HoldsBackForWhicheverOfSeveralNeedsMost) {
  for (const std::vector<std::string>& stops :
       {std::vector<std::string>{"end.", "x"}, {"x", "end."}, {"d?", "end."}, {"end.", "d?"}}) {
    StopMatcher matcher(stops);
    EXPECT_EQ(matcher.Push("the end"), "the ") << stops[0];
    EXPECT_EQ(matcher.Push("."), "") << stops[0];
    EXPECT_TRUE(matcher.stopped()) << stops[0];
  }
}

TEST(StopMatcher, SaysWhichOneItHasFoundByItsPlaceInTheList) {
  StopMatcher matcher({"", "later", "ear", "early"});
  EXPECT_EQ(matcher.found(), std::nullopt);
  matcher.Push("an early or later one");
  EXPECT_EQ(matcher.found(), 2u) << "of two that begin there the first one of the list";
}

TEST(StopMatcher, ShowsTheStopStringWhereThatIsWanted) {
  StopMatcher matcher({"\nROMEO:", "never"}, StopMatcher::Show::kAll);
  EXPECT_EQ(PushAll(matcher, {"Farewell.", "\nRO", "MEO", ": what"}), "Farewell.\nROMEO:");
  EXPECT_TRUE(matcher.stopped());
  EXPECT_EQ(matcher.Push("more"), "");
  EXPECT_EQ(matcher.Flush(), "");
}

TEST(StopMatcher, FindsAStopStringInsideAHeldBeginning) {
  StopMatcher matcher({"aab"});
  EXPECT_EQ(PushAll(matcher, {"xa", "a", "a", "b"}), "xa");
  EXPECT_TRUE(matcher.stopped());
}

}  // namespace
}  // namespace lockstep
