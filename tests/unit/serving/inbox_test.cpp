#include "serving/inbox.h"

#include <gtest/gtest.h>

#include <memory>
#include <vector>

#include "tests/support/request_outcome.h"

namespace lockstep {
namespace {

// Else a loop that idles would be woken by them for ever.
TEST(Inbox, NamesWhatWasCancelledOnce) {
  Inbox inbox(2);
  const Ticket ticket = inbox.Submit({}, std::make_shared<RequestOutcome>()).ticket;
  ASSERT_TRUE(inbox.Take());
  inbox.Cancel(ticket);
  EXPECT_EQ(inbox.TakeCancelled(), std::set<Ticket>{ticket});
  EXPECT_EQ(inbox.TakeCancelled(), std::set<Ticket>{});
}

TextRequest Of(ClientId client) {
  TextRequest request;
  request.client = client;
  return request;
}

// How many of them it takes.
int Fill(Inbox& inbox, ClientId client) {
  int taken = 0;
  while (inbox.Submit(Of(client), std::make_shared<RequestOutcome>())) ++taken;
  return taken;
}

TEST(Inbox, LeavesRoomForOtherClients) {
  Inbox inbox(16);
  EXPECT_EQ(Fill(inbox, 1), 14);
  EXPECT_EQ(inbox.Refuse(1), Refusal::kShare);
  EXPECT_EQ(inbox.Submit(Of(1), std::make_shared<RequestOutcome>()).refusal, Refusal::kShare);
  EXPECT_EQ(inbox.Refuse(2), Refusal::kNone);
  EXPECT_EQ(Fill(inbox, 2), 2);
  EXPECT_EQ(inbox.Refuse(3), Refusal::kFull);
  EXPECT_EQ(inbox.statistics().clients, 2);
  EXPECT_EQ(inbox.statistics().refused, 5);
}

TEST(Inbox, IsSharedByTwoWhoBothWantItAll) {
  Inbox inbox(1500);
  int first = 0, second = 0;
  for (int i = 0; i < 1500; ++i) {
    first += inbox.Submit(Of(1), std::make_shared<RequestOutcome>()) ? 1 : 0;
    second += inbox.Submit(Of(2), std::make_shared<RequestOutcome>()) ? 1 : 0;
  }
  EXPECT_EQ(first, 700);
  EXPECT_EQ(second, 700);
}

TEST(Inbox, GivesRoomBackHoweverARequestEnds) {
  Inbox inbox(8);
  std::vector<Ticket> tickets;
  for (int i = 0; i < 7; ++i)
    tickets.push_back(inbox.Submit(Of(1), std::make_shared<RequestOutcome>()).ticket);
  EXPECT_EQ(inbox.Refuse(1), Refusal::kShare);
  inbox.Cancel(tickets.back());  // it was not seen
  EXPECT_EQ(inbox.Refuse(1), Refusal::kNone);
  for (int i = 0; i < 6; ++i) inbox.End(inbox.Take()->ticket, &LoopStatistics::completed);
  EXPECT_EQ(inbox.statistics().clients, 0);
  EXPECT_EQ(Fill(inbox, 1), 7);
}

TEST(Inbox, IsAllOfJobsThatAreNoClients) {
  Inbox inbox(16);
  EXPECT_EQ(Fill(inbox, kNobody), 16);
  EXPECT_EQ(inbox.statistics().clients, 0);
}

// A short queue has no room to spare.
TEST(Inbox, OfFewPlacesIsTheFirstClients) {
  Inbox inbox(7);
  EXPECT_EQ(Fill(inbox, 1), 7);
}

}  // namespace
}  // namespace lockstep
