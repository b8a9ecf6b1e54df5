#include "server/groups/suspects.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace lockstep {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

using Given = std::vector<Suspects::Given>;

TEST(Suspects, AreThoseThatHadNoToken) {
  Suspects suspects;
  EXPECT_THAT(suspects.Blame(Given{{1, true}, {2, false}, {3, false}}), IsEmpty());
  EXPECT_FALSE(suspects.Contains(1));
  EXPECT_TRUE(suspects.Contains(2));
  EXPECT_TRUE(suspects.Contains(3));
}

TEST(Suspects, AreTriedOneAtATime) {
  Suspects suspects;
  suspects.Blame(Given{{1, false}, {2, false}});
  EXPECT_EQ(suspects.Next(), 1);
  suspects.Try(1);
  EXPECT_EQ(suspects.Next(), std::nullopt);
  suspects.Clear(1);
  EXPECT_EQ(suspects.Next(), 2);
  suspects.Try(2);
  suspects.Clear(2);
  EXPECT_EQ(suspects.Next(), std::nullopt);
}

TEST(Suspects, AreRefusedOnceRanksHaveEndedInTwoTrials) {
  Suspects suspects;
  suspects.Blame(Given{{1, false}, {2, false}, {3, true}});
  suspects.Try(1);
  EXPECT_THAT(suspects.Blame(Given{{1, false}, {3, true}}), IsEmpty());
  EXPECT_TRUE(suspects.IsStruck(1));
  EXPECT_EQ(suspects.Next(), 1);  // before the other suspect
  suspects.Try(1);
  EXPECT_THAT(suspects.Blame(Given{{1, false}}), ElementsAre(1));
  EXPECT_FALSE(suspects.Contains(1));
  EXPECT_EQ(suspects.Next(), 2);
}

TEST(Suspects, AreCleanAgainWithAToken) {
  Suspects suspects;
  for (int end = 0; end < 10; ++end) {
    suspects.Blame(Given{{1, false}});
    suspects.Try(1);
    EXPECT_THAT(suspects.Blame(Given{{1, false}}), IsEmpty());
    EXPECT_THAT(suspects.Blame(Given{{1, true}}), IsEmpty());
    EXPECT_FALSE(suspects.Contains(1));
  }
}

TEST(Suspects, AreTriedAgainWhereNobodyIsToBlame) {
  Suspects suspects;
  suspects.Blame(Given{{1, false}});
  suspects.Try(1);
  suspects.EndTrial();
  EXPECT_EQ(suspects.Next(), 1);
  EXPECT_FALSE(suspects.IsStruck(1));
}

TEST(Suspects, OfAnotherGroupAreNotStruck) {
  Suspects suspects;
  suspects.Blame(Given{{1, false}});
  suspects.Try(1);
  EXPECT_THAT(suspects.Blame(Given{{2, false}}), IsEmpty());
  EXPECT_EQ(suspects.tried(), 1);
  EXPECT_FALSE(suspects.IsStruck(1));
}

}  // namespace
}  // namespace lockstep
