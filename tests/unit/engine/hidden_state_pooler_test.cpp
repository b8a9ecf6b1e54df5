#include "engine/hidden_state_pooler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

#include "core/error.h"

namespace lockstep {
namespace {

using testing::ElementsAre;

// Four tokens of two numbers each.
const std::vector<float> kStates = {1.0f, -2.0f, 3.0f, 0.5f, 5.0f, 1.5f, 7.0f, 4.0f};

TEST(HiddenStatePooler, TakesTheMeanHoweverTheTextIsCut) {
  for (const std::size_t first : {1u, 2u, 3u}) {
    HiddenStatePooler pooled(Pooling::kMean);
    pooled.Add(0, std::span(kStates).first(2 * first), 2);
    pooled.Add(static_cast<std::int64_t>(first), std::span(kStates).subspan(2 * first), 2);
    EXPECT_THAT(pooled.Vector(), ElementsAre(4.0f, 1.0f)) << first;
  }
}

TEST(HiddenStatePooler, TakesTheLastToken) {
  HiddenStatePooler pooled(Pooling::kLast);
  pooled.Add(0, std::span(kStates).first(6), 2);
  EXPECT_THAT(pooled.Vector(), ElementsAre(5.0f, 1.5f));
  pooled.Add(3, std::span(kStates).subspan(6), 2);
  EXPECT_THAT(pooled.Vector(), ElementsAre(7.0f, 4.0f));
}

TEST(HiddenStatePooler, BeginsAnewAfterAPreemption) {
  HiddenStatePooler pooled(Pooling::kMean);
  pooled.Add(0, std::span(kStates).first(4), 2);
  pooled.Add(0, kStates, 2);
  EXPECT_THAT(pooled.Vector(), ElementsAre(4.0f, 1.0f));
  EXPECT_THROW(pooled.Add(5, kStates, 2), Error) << "token 4 is missing";
}

}  // namespace
}  // namespace lockstep
