#include "engine/step_message.h"

#include <gtest/gtest.h>

#include "core/error.h"

namespace lockstep {
namespace {

StepMessage Example() {
  StepMessage message;
  message.step = 77;
  message.vocab_limit = 50277;
  message.words = "read a/b@c";
  message.stages = {77, 76, 0};
  message.batch.ids = {5, 6, 7};
  message.batch.sequences = {{.first_row = 0, .token_count = 2, .start = 14, .page_table = {3, 9}},
                             {.first_row = 2, .token_count = 1, .start = 0, .page_table = {1}}};
  message.batch.logit_rows = {1, 2};
  message.batch.page_copies = {{3, 5}, {5, 8}};
  message.questions = {{.row = 0, .target = 8, .taken = {4, 50000}, .likeliest = 40},
                       {.row = 1,
                        .leaders = 8,
                        .key = {{1u, 2u, 3u, 0xffffffffu}},
                        .temperature = 0.7,
                        .before = {-5, -0.25f},
                        .bounds = {{3, 1.5f}, {9, -2.5f}},
                        .reference = -7.5f}};
  return message;
}

TEST(StepMessage, SurvivesTheWay) {
  const StepMessage back = ParseStepMessage(Flatten(Example()));
  EXPECT_EQ(back.step, 77);
  EXPECT_FALSE(back.shutdown);
  EXPECT_EQ(back.vocab_limit, 50277);
  EXPECT_EQ(back.words, "read a/b@c");
  EXPECT_EQ(back.stages, (std::vector<std::int64_t>{77, 76, 0}));
  EXPECT_EQ(back.batch.ids, (std::vector<std::int32_t>{5, 6, 7}));
  ASSERT_EQ(back.batch.sequences.size(), 2u);
  EXPECT_EQ(back.batch.sequences[0].start, 14);
  EXPECT_EQ(back.batch.sequences[0].page_table, (std::vector<std::int32_t>{3, 9}));
  EXPECT_EQ(back.batch.sequences[1].first_row, 2);
  EXPECT_EQ(back.batch.logit_rows, (std::vector<std::int64_t>{1, 2}));
  EXPECT_EQ(back.batch.page_copies, (std::vector<PageCopy>{{3, 5}, {5, 8}}));
  EXPECT_EQ(back.questions, Example().questions);
  EXPECT_FALSE(back.is_empty());
  EXPECT_TRUE(ParseStepMessage(Flatten(StepMessage{})).is_empty());
  StepMessage begins_nothing;
  begins_nothing.stages = {0, 76};
  EXPECT_FALSE(begins_nothing.is_empty());
}

TEST(StepMessage, RefusesEveryTruncationAndEveryAddition) {
  std::vector<std::byte> bytes = Flatten(Example());
  for (std::size_t size = 0; size < bytes.size(); size += 4)
    EXPECT_THROW(ParseStepMessage(std::span(bytes).first(size)), Error) << size;
  bytes.resize(bytes.size() + 8);
  EXPECT_THROW(ParseStepMessage(bytes), Error);
}

}  // namespace
}  // namespace lockstep
