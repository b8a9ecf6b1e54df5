#include "server/completion_call.h"

#include <gtest/gtest.h>

namespace lockstep {
namespace {

// Keeps the sinks of what is submitted.
class OpenQueue : public RequestQueue {
 public:
  Admission Submit(TextRequest /*request*/, std::shared_ptr<RequestSink> sink) override {
    sinks.push_back(std::move(sink));
    return {.ticket = std::ssize(sinks)};
  }
  Refusal Refuse(ClientId /*client*/) override { return Refusal::kNone; }
  void Cancel(Ticket ticket) override { cancelled.push_back(ticket); }
  LoopStatistics statistics() const override { return {}; }
  void Drain() override {}
  void Abort() override {}

  std::vector<std::shared_ptr<RequestSink>> sinks;
  std::vector<Ticket> cancelled;
};

ApiRequest Stream() {
  ApiRequest request;
  request.stream = true;
  request.prompts.resize(1);
  return request;
}

TEST(CompletionCall, EndsAClientThatTakesNothing) {
  OpenQueue queue;
  int notified = 0;
  {
    CompletionCall call(queue, Stream(), [&] { ++notified; });
    const std::string megabyte(1 << 20, 'a');
    for (int i = 0; i < 200; ++i) queue.sinks[0]->OnPiece(0, {.text = megabyte});
    const std::vector<CallEvent> events = call.Take();
    EXPECT_LT(events.size(), 100U);
    ASSERT_TRUE(events.back().error);
    EXPECT_FALSE(events.front().error);
    queue.sinks[0]->OnPiece(0, {.text = "more"});
    EXPECT_TRUE(call.Take().empty());
    EXPECT_TRUE(queue.cancelled.empty());
  }
  EXPECT_EQ(notified, 1);
  EXPECT_EQ(queue.cancelled, std::vector<Ticket>{1});
}

TEST(CompletionCall, TakesMuchMoreFromAClientThatKeepsUp) {
  OpenQueue queue;
  CompletionCall call(queue, Stream(), [] {});
  const std::string megabyte(1 << 20, 'a');
  for (int i = 0; i < 200; ++i) {
    queue.sinks[0]->OnPiece(0, {.text = megabyte});
    const std::vector<CallEvent> events = call.Take();
    ASSERT_EQ(events.size(), 1U);
    EXPECT_TRUE(events[0].piece);
  }
}

}  // namespace
}  // namespace lockstep
