#include "serving/inbox.h"

#include <gtest/gtest.h>

#include <memory>

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

}  // namespace
}  // namespace lockstep
