#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "comm/self_communicator.h"
#include "serving/engine_loop.h"
#include "tests/support/byte_tokenizer.h"
#include "tests/support/golden/golden_model.h"
#include "tests/support/request_outcome.h"

namespace lockstep {

using Outcomes = std::vector<std::shared_ptr<RequestOutcome>>;

// One rank, whose peers are gone after so many broadcasts, and whose sums may be damaged.
class FrailCommunicator : public SelfCommunicator {
 public:
  void AllReduceSum(const TensorView& x, Stream stream) override {
    SelfCommunicator::AllReduceSum(x, stream);
    if (damaged) x.data<float>()[0] = std::numeric_limits<float>::quiet_NaN();
  }
  void Broadcast(Bytes& /*message*/) override {
    if (++broadcasts > most_broadcasts)
      throw CollectiveError(ExitCode::kRankFailure, "broadcast: rank 1 is gone");
  }

  std::atomic<int> broadcasts = 0;
  std::atomic<int> most_broadcasts = std::numeric_limits<int>::max();
  bool damaged = false;
};

// Does something of its own in a call.
class Meddler : public RequestOutcome {
 public:
  void OnText(std::size_t sample, std::string_view text) override {
    if (on_text) on_text();
    RequestOutcome::OnText(sample, text);
  }
  void OnResult(TextResult result) override {
    if (on_end) on_end();
    RequestOutcome::OnResult(std::move(result));
  }
  void OnError(const Error& error) override {
    if (on_end) on_end();
    RequestOutcome::OnError(error);
  }
  std::function<void()> on_text, on_end;
};

class EngineLoopTest : public testing::Test {
 protected:
  void Open(std::int64_t most_requests = EngineLoop::kMostRequests) {
    loop_.reset();
    loop_ = std::make_unique<EngineLoop>(engine_, &tokenizer_, most_requests);
  }
  // Runs the loop here, which owns the engine, and the clients on a thread of their own.
  void Serve(const std::function<void()>& clients) {
    const std::jthread thread([&] {
      clients();
      loop_->Drain();
    });
    loop_->Run();
  }
  std::shared_ptr<RequestOutcome> Submit(TextRequest request) {
    auto outcome = std::make_shared<RequestOutcome>();
    EXPECT_TRUE(loop_->Submit(std::move(request), outcome));
    return outcome;
  }

  // Of all kinds: sampled, several samples, stop strings, beams.
  static TextRequest Make(std::uint64_t seed, std::int64_t tokens = 12) {
    TextRequest request;
    for (std::uint64_t i = 0; i < 3 + seed % 5; ++i)
      request.tokens.push_back(static_cast<std::int32_t>((7 * i + seed) % 90));
    request.sampling.max_new_tokens = tokens;
    request.sampling.ignore_eos = true;
    if (seed % 5 == 4) {
      request.beams.num_beams = 3;
      return request;
    }
    request.sampling.temperature = 1.0;
    request.sampling.seed = seed;
    if (seed % 5 == 3) request.stop = {"a", "bc", "%"};
    if (seed % 5 == 2) request.n = 2;
    return request;
  }

  // As the engine gives it without a loop.
  std::map<std::size_t, std::string> Alone(const TextRequest& request) {
    std::map<std::size_t, std::string> texts;
    TextSession session(engine_, tokenizer_,
                        {.on_result = [&](std::int64_t, const TextResult& result) {
                          for (const TextSample& one : result.samples)
                            texts.emplace(texts.size(), one.text);
                        }});
    session.Submit(0, request);
    while (session.in_flight() > 0) session.Step();
    return texts;
  }

  FrailCommunicator self_;
  GoldenModel model_{SourceFolder() / "tests/golden/cases/neox_saved_single", self_, {}};
  Engine engine_{model_.decoder(), self_, {.sampled_vocab = 93}};
  Tokenizer tokenizer_ = Tokenizer::FromJson(ByteTokenizerJson(94), "tokenizer.json");
  std::unique_ptr<EngineLoop> loop_;
};

}  // namespace lockstep
