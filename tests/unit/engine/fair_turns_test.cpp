#include "engine/scheduling/fair_turns.h"

#include <gtest/gtest.h>

namespace lockstep {
namespace {

TEST(FairTurns, OfOneClientAreItsOrderOfArrival) {
  FairTurns turns;
  for (std::int64_t i = 0; i < 5; ++i) EXPECT_EQ(turns.Next(7, 10), i);
  turns.NoteBegun(0);
  turns.NoteBegun(1);
  EXPECT_EQ(turns.Next(7, 10), 5);
}

TEST(FairTurns, OfALateClientBeginWhereThoseStandThatAreBeingBegun) {
  FairTurns turns;
  for (int i = 0; i < 100; ++i) turns.Next(1, 0);
  for (std::int64_t turn = 0; turn < 10; ++turn) turns.NoteBegun(turn);
  EXPECT_EQ(turns.Next(2, 0), 9);
  EXPECT_EQ(turns.Next(2, 0), 10);
  EXPECT_EQ(turns.Next(1, 0), 100);
}

TEST(FairTurns, AreFurtherApartWhereTextsAreLong) {
  FairTurns turns;
  turns.Next(1, 3 * FairTurns::kTokensPerTurn);
  EXPECT_EQ(turns.Next(1, FairTurns::kTokensPerTurn - 1), 4);
  EXPECT_EQ(turns.Next(1, 0), 5);
}

// Nobody gains by having been away, and nobody has to make up for what others did not want.
TEST(FairTurns, AreNotSavedUp) {
  FairTurns turns;
  turns.Next(1, 0);
  for (std::int64_t i = 0; i < 50; ++i) turns.NoteBegun(turns.Next(2, 0));
  EXPECT_EQ(turns.Next(1, 0), 49);
  EXPECT_EQ(turns.Next(2, 0), 50);
}

TEST(FairTurns, KeepNobodyWaitingForEver) {
  FairTurns turns;
  turns.NoteBegun(turns.Next(1, 0));
  const std::int64_t own = turns.Next(1, 0);
  int overtaken = 0;
  for (ClientId fresh = 2;; ++fresh, ++overtaken) {
    ASSERT_LE(overtaken, FairTurns::kMostOvertakers);
    const std::int64_t turn = turns.Next(fresh, 0);
    if (turn >= own) break;  // it came later
    turns.NoteBegun(turn);
  }
  EXPECT_GT(overtaken, 1);
}

TEST(FairTurns, RememberOnlyWhoseTurnsLieAhead) {
  FairTurns turns;
  for (ClientId client = 1; client < 100'000; ++client) {
    turns.NoteBegun(turns.Next(client, 0));
    ASSERT_LE(turns.clients(), 2 * static_cast<std::size_t>(FairTurns::kMostOvertakers));
  }
  turns.StartAnew();
  EXPECT_EQ(turns.clients(), 0U);
  EXPECT_EQ(turns.Next(5, 0), turns.Next(6, 0));
}

}  // namespace
}  // namespace lockstep
