// An engine that has nothing to do for longer than its ranks wait for each other.
#include <chrono>
#include <thread>

#include "serving/engine_loop.h"
#include "tests/multi_rank/multi_rank.h"
#include "tests/support/byte_tokenizer.h"
#include "tests/support/golden/golden_model.h"
#include "tests/support/request_outcome.h"

namespace lockstep::testing {
namespace {

class IdleLoop : public MultiRank {
 protected:
  static std::map<std::size_t, std::string> TextsOf(EngineLoop& loop) {
    const auto outcome = std::make_shared<RequestOutcome>();
    TextRequest request;
    request.tokens = {5, 7, 11, 13};
    request.sampling.max_new_tokens = 8;
    EXPECT_TRUE(loop.Submit(request, outcome));
    outcome->Wait();
    EXPECT_EQ(outcome->error(), "");
    return outcome->texts();
  }
};

TEST_F(IdleLoop, KeepsItsRanksBeyondTheirDeadline) {
  constexpr double kDeadlineSeconds = 1;
  GoldenModel model(SourceFolder() / "tests/golden/cases/gptj_16_heads", comm(), {});
  const DeadlineScope short_deadline(comm(), kDeadlineSeconds);
  if (rank() != 0) return RunWorker(model.decoder(), comm());
  Engine engine(model.decoder(), comm(), {.sampled_vocab = 89});
  const Tokenizer tokenizer = Tokenizer::FromJson(ByteTokenizerJson(90), "tokenizer.json");
  EngineLoop loop(engine, &tokenizer);
  const std::jthread client([&] {
    const auto before = TextsOf(loop);
    std::this_thread::sleep_for(3 * std::chrono::duration<double>(kDeadlineSeconds));
    EXPECT_EQ(TextsOf(loop), before);
    loop.Drain();
  });
  loop.Run();
  engine.Shutdown();
}

}  // namespace
}  // namespace lockstep::testing
