// Every field of what the server and rank 0 tell each other comes back as it was. That no field is
// forgotten the compiler sees to.
#include "server/groups/wire/messages.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/groups/group_place.h"

namespace lockstep {
namespace {

SamplingParams EverySetting() {
  return {.max_new_tokens = 1,
          .temperature = 0.25,
          .top_k = 3,
          .top_p = 0.5,
          .min_p = 0.125,
          .seed = 6,
          .stream = 7,
          .ignore_eos = true,
          .repetition_penalty = 1.5,
          .presence_penalty = 0.75,
          .frequency_penalty = -0.5,
          .logit_bias = {{11, 1.5}, {12, -2.5}},
          .allowed_tokens = {13, 14},
          .banned_tokens = {15},
          .min_tokens = 16,
          .stop_tokens = {17, 18, 19}};
}

TokenLogprob Logprob(std::int32_t token) {
  return {.token = token, .logprob = -0.5f, .top = 3, .likeliest = {{4, -0.25f}, {token, -0.5f}}};
}

TextRequest EveryField() {
  return {.task = Task::kScore,
          .prompt = std::string("a\0b\xff", 4),
          .tokens = {1, 2, 3},
          .sampling = EverySetting(),
          .stop = {"one", "", "three"},
          .include_stop = true,
          .n = 4,
          .best_of = 5,
          .beams = {.num_beams = 6, .length_penalty = 0.5, .early_stopping = EarlyStopping::kNever},
          .priority = -7,
          .client = ClientId{1} << 63,
          .logprobs = 8,
          .prompt_logprobs = 9,
          .context_tokens = 10,
          .pooling = Pooling::kLast,
          .reached = {.samples = {{.tokens = {1, 2}, .logprobs = {Logprob(1), Logprob(2)}}, {}},
                      .prompt_logprobs = {Logprob(3)}}};
}

// What comes out at the other end, packed again: equal bytes are equal values.
template <typename Message>
Message Sent(const Message& message) {
  const auto bytes = Encode(message);
  Message got = Decode<Message>(bytes);
  EXPECT_EQ(got.index(), message.index());
  EXPECT_EQ(Encode(got), bytes);
  return got;
}

TEST(Messages, BringWhatIsSaidOfOtherWeights) {
  const auto wanted =
      std::get<WeightsMessage>(Sent<ToGroup>(WeightsMessage{WeightsStep::kSwitch, "a/b@c"}));
  EXPECT_EQ(wanted.step, WeightsStep::kSwitch);
  EXPECT_EQ(wanted.checkpoint, "a/b@c");
  const auto done = std::get<WeightsDoneMessage>(
      Sent<FromGroup>(WeightsDoneMessage{ExitCode::kEnvironment, "why", 2.5}));
  EXPECT_EQ(done.code, ExitCode::kEnvironment);
  EXPECT_EQ(done.message, "why");
  EXPECT_EQ(done.seconds, 2.5);
}

TEST(DevicesOfGroups, AreOfOneGroupEach) {
  EXPECT_THAT(DevicesOfGroups(2, 1, nullptr), testing::ElementsAre("0", "1"));
  EXPECT_THAT(DevicesOfGroups(2, 2, nullptr), testing::ElementsAre("0,1", "2,3"));
  EXPECT_THAT(DevicesOfGroups(2, 2, "4,GPU-8a,6,7,9"), testing::ElementsAre("4,GPU-8a", "6,7"));
}

TEST(GroupPlace, ComesBackWithAndWithoutACheckpoint) {
  for (const char* checkpoint : {"", "a/b@c", "/models/with blanks "}) {
    const GroupPlace place{.socket = "name",
                           .ranks = 3,
                           .group = 1,
                           .groups = 2,
                           .dtype = WeightFormat::kBF16,
                           .checkpoint = checkpoint};
    const auto back = GroupPlace::FromText(place.ToText());
    ASSERT_TRUE(back);
    EXPECT_EQ(back->socket, "name");
    EXPECT_EQ(back->ranks, 3);
    EXPECT_EQ(back->group, 1);
    EXPECT_EQ(back->groups, 2);
    EXPECT_EQ(back->dtype, WeightFormat::kBF16);
    EXPECT_EQ(back->checkpoint, checkpoint);
  }
  EXPECT_FALSE(GroupPlace::FromText("name 3"));
  const auto plain = GroupPlace::FromText(GroupPlace{.socket = "name"}.ToText());
  ASSERT_TRUE(plain);
  EXPECT_TRUE(plain->dtype.is_auto());
  Arguments arguments;
  arguments.options.model.path = "first";
  EXPECT_EQ(ArgumentsOfGroup(arguments, {.socket = "name"}).options.model.path, "first");
  EXPECT_EQ(
      ArgumentsOfGroup(arguments, {.socket = "name", .checkpoint = "other"}).options.model.path,
      "other");
  EXPECT_TRUE(ArgumentsOfGroup(arguments, {.socket = "name"}).options.model.dtype.is_auto());
  EXPECT_EQ(ArgumentsOfGroup(arguments, {.socket = "name", .dtype = WeightFormat::kF16})
                .options.model.dtype,
            WeightFormat::kF16);
}

TEST(GroupPlace, GivesEachGroupATraceOfItsOwn) {
  Arguments arguments;
  EXPECT_EQ(ArgumentsOfGroup(arguments, {.socket = "name", .group = 1, .groups = 2}).trace_file,
            "");
  arguments.trace_file = "traces/of.a.day.json";
  EXPECT_EQ(ArgumentsOfGroup(arguments, {.socket = "name", .groups = 1}).trace_file,
            "traces/of.a.day.json");
  EXPECT_EQ(ArgumentsOfGroup(arguments, {.socket = "name", .group = 1, .groups = 2}).trace_file,
            "traces/of.a.day.group1.json");
}

TEST(Messages, BringARequestWithAllItsFields) {
  const auto got = std::get<SubmitMessage>(Sent<ToGroup>(SubmitMessage{77, EveryField()}));
  const TextRequest& request = got.request;
  EXPECT_EQ(got.ticket, 77);
  EXPECT_EQ(request.task, Task::kScore);
  EXPECT_EQ(request.prompt, std::string("a\0b\xff", 4));
  EXPECT_EQ(request.tokens, EveryField().tokens);
  EXPECT_EQ(request.stop, EveryField().stop);
  EXPECT_EQ(request.n, 4);
  EXPECT_EQ(request.best_of, 5);
  EXPECT_EQ(request.beams.num_beams, 6);
  EXPECT_EQ(request.beams.early_stopping, EarlyStopping::kNever);
  EXPECT_EQ(request.priority, -7);
  EXPECT_EQ(request.client, ClientId{1} << 63);
  EXPECT_EQ(request.logprobs, 8);
  EXPECT_EQ(request.prompt_logprobs, 9);
  EXPECT_EQ(request.context_tokens, 10);
  EXPECT_EQ(request.pooling, Pooling::kLast);
  EXPECT_EQ(request.sampling.logit_bias, EverySetting().logit_bias);
  EXPECT_EQ(request.sampling.stop_tokens, EverySetting().stop_tokens);
  EXPECT_EQ(request.sampling.min_tokens, 16);
  EXPECT_EQ(request.sampling.seed, 6U);
  ASSERT_EQ(request.reached.samples.size(), 2U);
  EXPECT_EQ(request.reached.samples[0].tokens, EveryField().reached.samples[0].tokens);
  EXPECT_EQ(request.reached.samples[0].logprobs[1].likeliest, Logprob(2).likeliest);
  EXPECT_EQ(request.reached.prompt_logprobs.size(), 1U);
}

TEST(Messages, BringPiecesResultsAndFailures) {
  const auto piece = std::get<PieceMessage>(
                         Sent<FromGroup>(PieceMessage{1,
                                                      {.sample = 2,
                                                       .text = "text",
                                                       .token = 3,
                                                       .logprob = Logprob(3),
                                                       .prompt_logprobs = {Logprob(5), Logprob(6)},
                                                       .finish = FinishReason::kLength}}))
                         .piece;
  EXPECT_EQ(piece.logprob->likeliest, Logprob(3).likeliest);
  EXPECT_EQ(piece.prompt_logprobs.size(), 2U);
  const TextResult whole{.samples = {{.text = "a",
                                      .tokens = {1, 2},
                                      .finish = FinishReason::kEos,
                                      .logprobs = {Logprob(1), Logprob(2)},
                                      .score = 0.5f},
                                     {}},
                         .prompt_logprobs = {Logprob(9)},
                         .embedding = {1.0f, -0.0f},
                         .error = "why"};
  const auto result = std::get<ResultMessage>(Sent<FromGroup>(ResultMessage{4, whole})).result;
  EXPECT_EQ(result.samples.front().score, 0.5f);
  EXPECT_EQ(result.samples.front().logprobs.size(), 2U);
  EXPECT_EQ(result.embedding, whole.embedding);
  EXPECT_EQ(result.error, "why");
  const auto failure = std::get<FailureMessage>(
      Sent<FromGroup>(FailureMessage{5, ExitCode::kBadInput, "what is wrong"}));
  EXPECT_EQ(failure.message, "what is wrong");
  EXPECT_EQ(failure.code, ExitCode::kBadInput);
}

TEST(Messages, ThatAreNoneAreRefused) {
  const auto good = Encode(ToGroup(SubmitMessage{1, EveryField()}));
  for (std::size_t size = 0; size < good.size(); ++size)
    EXPECT_THROW(Decode<ToGroup>(std::span(good).first(size)), Error) << size;
  auto longer = good;
  longer.push_back(std::byte{0});
  EXPECT_THROW(Decode<ToGroup>(longer), Error);
  EXPECT_THROW(Decode<ToGroup>(std::vector{std::byte{9}}), Error);
}

}  // namespace
}  // namespace lockstep
