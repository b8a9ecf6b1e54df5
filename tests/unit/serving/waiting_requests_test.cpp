#include "serving/waiting_requests.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

namespace lockstep {
namespace {

using testing::ElementsAre;

std::vector<Ticket> Order(const WaitingRequests& waiting) {
  std::vector<Ticket> tickets;
  for (const WaitingRequests::Place& place : waiting.places()) tickets.push_back(place.ticket);
  return tickets;
}

// Where it stands; 0: it is the next.
std::ptrdiff_t PlaceOf(Ticket ticket, const WaitingRequests& waiting) {
  const std::vector<Ticket> order = Order(waiting);
  return std::ranges::find(order, ticket) - order.begin();
}

TEST(WaitingRequests, AlternateBetweenClients) {
  WaitingRequests waiting;
  for (Ticket ticket = 0; ticket < 4; ++ticket) waiting.Add(ticket, {.client = 1});
  for (Ticket ticket = 4; ticket < 6; ++ticket) waiting.Add(ticket, {.client = 2});
  EXPECT_THAT(Order(waiting), ElementsAre(0, 4, 1, 5, 2, 3));
  waiting.Begin(0);
  waiting.Erase(4);
  waiting.Erase(4);
  EXPECT_THAT(Order(waiting), ElementsAre(1, 5, 2, 3));
}

TEST(WaitingRequests, KeepNoOneBehindAnothersQueue) {
  WaitingRequests waiting;
  for (Ticket ticket = 0; ticket < 500; ++ticket) waiting.Add(ticket, {.client = 1});
  for (Ticket ticket = 0; ticket < 20; ++ticket) waiting.Begin(ticket);
  waiting.Add(500, {.client = 2});
  EXPECT_EQ(PlaceOf(500, waiting), 0);
}

TEST(WaitingRequests, AreInTurnByWhatTheyCompute) {
  WaitingRequests waiting;
  for (Ticket ticket = 0; ticket < 3; ++ticket)
    waiting.Add(ticket, {.client = 1, .tokens = 2 * FairTurns::kTokensPerTurn});
  for (Ticket ticket = 3; ticket < 9; ++ticket) waiting.Add(ticket, {.client = 2});
  EXPECT_THAT(Order(waiting), ElementsAre(0, 3, 4, 5, 1, 6, 7, 8, 2));
}

TEST(WaitingRequests, GoByPriorityFirst) {
  WaitingRequests waiting;
  waiting.Add(0, {.client = 1});
  waiting.Add(1, {.priority = 1, .client = 2});
  waiting.Add(2, {.priority = -1, .client = 1});
  EXPECT_THAT(Order(waiting), ElementsAre(2, 0, 1));
}

// What goes before them all takes no turns from them.
TEST(WaitingRequests, AreFairWhileOthersAreMoreUrgent) {
  WaitingRequests waiting;
  for (Ticket ticket = 0; ticket < 50; ++ticket) waiting.Add(ticket, {.priority = 1, .client = 1});
  for (Ticket ticket = 100; ticket < 300; ++ticket) {
    waiting.Add(ticket, {.client = 3});
    waiting.Begin(ticket);
  }
  waiting.Add(300, {.priority = 1, .client = 2});
  EXPECT_EQ(PlaceOf(300, waiting), 1);
}

TEST(WaitingRequests, ThatHadAnEngineGoFirstAndInTheirOrder) {
  WaitingRequests waiting;
  for (Ticket ticket = 0; ticket < 4; ++ticket) waiting.Add(ticket, {.client = 1});
  waiting.Begin(0);
  waiting.Begin(1);
  waiting.Add(4, {.client = 2});
  waiting.PutBack(1, 0);
  waiting.PutBack(0, 0);
  EXPECT_THAT(Order(waiting), ElementsAre(0, 1, 4, 2, 3));
  waiting.Begin(0);
  EXPECT_THAT(Order(waiting), ElementsAre(1, 4, 2, 3));
}

// A priority is remembered as long as somebody waits with it.
TEST(WaitingRequests, BeginAnewWhereNobodyHasWaited) {
  WaitingRequests waiting;
  for (Ticket ticket = 0; ticket < 3; ++ticket) waiting.Add(ticket, {.client = 1});
  for (Ticket ticket = 0; ticket < 3; ++ticket) waiting.Erase(ticket);
  waiting.Add(3, {.client = 1});
  waiting.Add(4, {.client = 2});
  EXPECT_THAT(Order(waiting), ElementsAre(3, 4));
  EXPECT_EQ(waiting.places().begin()->turn, 0);
}

}  // namespace
}  // namespace lockstep
