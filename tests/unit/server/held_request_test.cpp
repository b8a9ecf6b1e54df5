#include "server/groups/held_request.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace lockstep {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

KeptPiece Token(std::size_t sample, std::int32_t token) {
  return {
      .sample = sample, .token = token, .logprob = TokenLogprob{.token = token, .likeliest = {}}};
}

TextRequest Samples(std::int64_t n, std::int64_t beams = 1) {
  TextRequest request;
  request.tokens = {1, 2, 3};
  request.n = n;
  request.beams.num_beams = beams;
  return request;
}

TEST(HeldRequest, GoesOnBehindWhatItsClientHas) {
  HeldRequest held(Samples(2), nullptr);
  held.GiveTo(0);
  EXPECT_FALSE(held.progressed());
  KeptPiece first = Token(1, 5);
  first.prompt_logprobs = {{.token = 9, .likeliest = {}}};
  held.Take(first);
  held.Take(Token(0, 6));
  held.Take(Token(1, 7));
  EXPECT_TRUE(held.progressed());
  held.TakeBack();
  EXPECT_EQ(held.group(), std::nullopt);
  held.GiveTo(3);
  EXPECT_EQ(held.group(), 3U);
  EXPECT_FALSE(held.progressed());
  const ReachedText& reached = held.request().reached;
  ASSERT_THAT(reached.samples, SizeIs(2));
  EXPECT_THAT(reached.samples[0].tokens, ElementsAre(6));
  EXPECT_THAT(reached.samples[1].tokens, ElementsAre(5, 7));
  EXPECT_THAT(reached.samples[1].logprobs, SizeIs(2));
  EXPECT_THAT(reached.prompt_logprobs, SizeIs(1));
}

TEST(HeldRequest, BeginsItsSearchAnew) {
  HeldRequest held(Samples(2, 4), nullptr);
  held.GiveTo(0);
  held.Take(Token(1, 5));
  EXPECT_TRUE(held.progressed());
  EXPECT_THAT(held.request().reached.samples, IsEmpty());
}

TEST(HeldRequest, RefusesASampleThatItDoesNotHave) {
  HeldRequest held(Samples(2), nullptr);
  EXPECT_THROW(held.Take(Token(2, 5)), Error);
}

TEST(HeldRequest, CountsWhatItTakesOfTheRanks) {
  TextRequest request = Samples(4);
  request.sampling.max_new_tokens = 10;
  EXPECT_EQ(HeldRequest(request, nullptr).tokens(), 43);
  EXPECT_EQ(HeldRequest(request, nullptr).sequences(), 4);
  request.task = Task::kEmbed;
  EXPECT_EQ(HeldRequest(request, nullptr).tokens(), 3);
}

}  // namespace
}  // namespace lockstep
