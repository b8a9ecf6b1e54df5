#include "server/metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "core/error.h"

namespace lockstep {
namespace {

using testing::HasSubstr;

// Takes what is submitted; the test says what becomes of it.
class HeldQueue : public RequestQueue {
 public:
  Admission Submit(TextRequest, std::shared_ptr<RequestSink> sink) override {
    held = std::move(sink);
    return {.ticket = 7};
  }
  Refusal Refuse(ClientId /*client*/) override { return Refusal::kNone; }
  void Cancel(Ticket ticket) override { cancelled = ticket; }
  LoopStatistics statistics() const override {
    LoopStatistics now;
    now.in_flight = 3;
    now.clients = 2;
    return now;
  }
  void Drain() override {}
  void Abort() override {}
  std::string unavailable() const override { return "a rank has died"; }

  std::shared_ptr<RequestSink> held;
  Ticket cancelled = -1;
};

struct CountingSink : RequestSink {
  void OnBegun() override { ++begun; }
  void OnPiece(std::size_t, const TokenPiece&) override { ++pieces; }
  void OnResult(TextResult) override { ++results; }
  void OnError(const Error&) override { ++errors; }
  int begun = 0, pieces = 0, results = 0, errors = 0;
};

class MetricsTest : public testing::Test {
 protected:
  std::string Text() const { return metrics_.Text(queue_.statistics()); }

  void Submit(std::int64_t n) {
    TextRequest request{.prompt = "", .tokens = {1, 2, 3}, .sampling = {}, .stop = {}, .n = n};
    EXPECT_EQ(queue_.Submit(request, sink_).ticket, 7);
  }

  HeldQueue behind_;
  Metrics metrics_{"served"};
  MeteredQueue queue_{behind_, metrics_};
  std::shared_ptr<CountingSink> sink_ = std::make_shared<CountingSink>();
};

TEST_F(MetricsTest, CountTokensAndTextsByTheNamesThatDashboardsKnow) {
  Submit(2);
  for (const std::size_t sample : {0UL, 1UL, 0UL, 0UL})
    behind_.held->OnPiece(sample, {.text = "", .token = 5});
  TextResult result;
  result.samples.resize(2);
  result.samples[0].tokens = {5, 5, 5};
  result.samples[0].finish = FinishReason::kLength;
  result.samples[1].tokens = {5};
  result.samples[1].finish = FinishReason::kEos;
  behind_.held->OnResult(result);
  EXPECT_EQ(sink_->pieces, 4);
  EXPECT_EQ(sink_->results, 1);
  for (const char* line :
       {"lockstep:prompt_tokens_total{model_name=\"served\"} 3\n",
        "lockstep:generation_tokens_total{model_name=\"served\"} 4\n",
        "lockstep:request_success_total{finished_reason=\"length\",model_name=\"served\"} 1\n",
        "lockstep:request_success_total{finished_reason=\"stop\",model_name=\"served\"} 1\n",
        "lockstep:time_to_first_token_seconds_count{model_name=\"served\"} 1\n",
        "lockstep:inter_token_latency_seconds_count{model_name=\"served\"} 2\n",
        "lockstep:e2e_request_latency_seconds_count{model_name=\"served\"} 1\n",
        "lockstep:request_generation_tokens_sum{model_name=\"served\"} 4\n",
        "lockstep:num_requests_running{model_name=\"served\"} 3\n",
        "lockstep:num_clients{model_name=\"served\"} 2\n"})
    EXPECT_THAT(Text(), HasSubstr(line));
}

TEST_F(MetricsTest, CountTokensThatCameWithoutAPieceOfTheirOwn) {
  Submit(1);
  behind_.held->OnResult({.samples = {}, .prompt_logprobs = {}, .embedding = {1.0f}});
  EXPECT_THAT(Text(), HasSubstr("lockstep:prompt_tokens_total{model_name=\"served\"} 3\n"));
  Submit(1);
  behind_.held->OnPiece(0, {.text = "all of it", .token = 5});
  TextResult result;
  result.samples.resize(1);
  result.samples[0].tokens = {5, 5, 5};
  behind_.held->OnResult(result);
  EXPECT_THAT(Text(), HasSubstr("lockstep:generation_tokens_total{model_name=\"served\"} 3\n"));
}

TEST_F(MetricsTest, TellWaitingFromComputingByTheFirstStep) {
  Submit(1);
  behind_.held->OnResult({.samples = {}, .prompt_logprobs = {}, .embedding = {1.0f}});
  for (const char* name : {"queue", "prefill", "inference"})  // it came without a step
    EXPECT_THAT(Text(), HasSubstr(fmt::format("lockstep:request_{}_time_seconds_count"
                                              "{{model_name=\"served\"}} 0\n",
                                              name)));
  Submit(1);
  behind_.held->OnBegun();
  behind_.held->OnPiece(0, {.text = "", .token = 5});
  behind_.held->OnBegun();  // once more, where ranks have died
  EXPECT_EQ(sink_->begun, 2);
  behind_.held->OnResult({.samples = {}, .prompt_logprobs = {}});
  for (const char* name : {"queue", "prefill", "inference", "decode"})
    EXPECT_THAT(Text(), HasSubstr(fmt::format("lockstep:request_{}_time_seconds_count"
                                              "{{model_name=\"served\"}} 1\n",
                                              name)));
}

TEST_F(MetricsTest, CountStepsByGroup) {
  LoopStatistics now;
  now.groups.resize(2);
  now.groups[1].steps.nanoseconds = 4'000'000'000;
  now.groups[1].steps.all_reduce_nanoseconds = 1'000'000'000;
  now.engine.steps.by_tokens = {1, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
  now.engine.steps.tokens = 20000;
  const std::string text = metrics_.Text(now);
  for (const char* line :
       {"lockstep:step_seconds_total{model_name=\"served\",group=\"1\"} 4\n",
        "lockstep:all_reduce_seconds_total{model_name=\"served\",group=\"0\"} 0\n",
        "lockstep:all_reduce_seconds_total{model_name=\"served\",group=\"1\"} 1\n",
        "lockstep:iteration_tokens_total_bucket{model_name=\"served\",le=\"8\"} 1\n",
        "lockstep:iteration_tokens_total_bucket{model_name=\"served\",le=\"16\"} 3\n",
        "lockstep:iteration_tokens_total_bucket{model_name=\"served\",le=\"16384\"} 3\n",
        "lockstep:iteration_tokens_total_bucket{model_name=\"served\",le=\"+Inf\"} 4\n",
        "lockstep:iteration_tokens_total_sum{model_name=\"served\"} 20000\n"})
    EXPECT_THAT(text, HasSubstr(line));
  EXPECT_THAT(Text(),
              HasSubstr("lockstep:step_seconds_total{model_name=\"served\",group=\"0\"} 0"));
}

TEST_F(MetricsTest, CountNoTimeOfARequestThatFails) {
  Submit(1);
  behind_.held->OnError(Error(ExitCode::kInternal, "why"));
  EXPECT_EQ(sink_->errors, 1);
  EXPECT_THAT(Text(), HasSubstr("lockstep:e2e_request_latency_seconds_count"
                                "{model_name=\"served\"} 0\n"));
}

TEST_F(MetricsTest, LeaveTheQueueAsItIs) {
  queue_.Cancel(9);
  EXPECT_EQ(behind_.cancelled, 9);
  EXPECT_EQ(queue_.unavailable(), "a rank has died");
}

TEST_F(MetricsTest, GoOnUnderTheNameOfAnotherCheckpoint) {
  Submit(1);
  behind_.held->OnPiece(0, {.text = "", .token = 5});
  metrics_.SetModel("served", "a/b@c");
  EXPECT_THAT(Text(), HasSubstr(R"(checkpoint_info{model_name="served",checkpoint="a/b@c"} 1)"));
  metrics_.SetModel("other", "other");
  behind_.held->OnPiece(0, {.text = "", .token = 5});
  Submit(1);
  behind_.held->OnPiece(0, {.text = "", .token = 5});
  EXPECT_THAT(Text(), HasSubstr(R"(generation_tokens_total{model_name="served"} 2)"));
  EXPECT_THAT(Text(), HasSubstr(R"(generation_tokens_total{model_name="other"} 1)"));
  EXPECT_THAT(Text(), HasSubstr(R"(num_requests_running{model_name="other"} 3)"));
  const std::string text = Text(), kind = "# TYPE lockstep:generation_tokens_total";
  EXPECT_EQ(text.find(kind), text.rfind(kind)) << "once for both names";
}

}  // namespace
}  // namespace lockstep
