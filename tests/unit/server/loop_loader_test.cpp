// Other weights for ranks whose first one is this process.
#include "server/weights/loop_loader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>

#include "comm/self_communicator.h"
#include "runtime/load_model.h"
#include "tests/support/test_data.h"

namespace lockstep {
namespace {

using testing::HasSubstr;

class LoopLoaderTest : public testing::Test {
 protected:
  LoopLoaderTest() {
    arguments_.options.model.path = (SourceFolder() / "models/shakespeare-neox").string();
    arguments_.options.parallel.threads = 1;
    model_ = OpenModel(arguments_.options);
    rank_ = LoadModel(arguments_, model_, 4, ProcessGrid(self_));
    others_.emplace(arguments_, model_, ProcessGrid(self_), rank_);
    engine_.emplace(*rank_.decoder, self_, EngineOptions{});
    weights_.emplace(*engine_, *others_, nullptr);
    loop_.emplace(*engine_, nullptr);
    loader_.emplace(*loop_, *weights_);
  }

  void Load(const std::string& checkpoint) {
    loader_->Load({.checkpoint = checkpoint}, [this](const LoadOutcome& outcome) {
      outcomes_.emplace_back(outcome.error ? outcome.error->what() : "");
    });
  }

  SelfCommunicator self_;
  Arguments arguments_;
  ModelFiles model_;
  LoadedModel rank_;
  std::optional<OtherWeights> others_;
  std::optional<Engine> engine_;
  std::optional<WeightExchange> weights_;
  std::optional<EngineLoop> loop_;
  std::optional<LoopLoader> loader_;
  std::vector<std::string> outcomes_;
};

TEST_F(LoopLoaderTest, LoadsAndSaysWhyItDoesNot) {
  Load(arguments_.options.model.path);
  Load("/no/such/folder");
  Load((SourceFolder() / "models/shakespeare-gptj").string());
  loop_->Drain();
  loop_->Run();
  EXPECT_THAT(outcomes_, testing::ElementsAre("", HasSubstr("/no/such/folder"),
                                              HasSubstr("expected the same shape")));
}

TEST_F(LoopLoaderTest, SaysThatItWasStoppedBefore) {
  Load(arguments_.options.model.path);
  loop_->Abort();
  loop_->Run();
  Load(arguments_.options.model.path);
  EXPECT_THAT(outcomes_, testing::ElementsAre("the server was stopped", "the server was stopped"));
}

}  // namespace
}  // namespace lockstep
