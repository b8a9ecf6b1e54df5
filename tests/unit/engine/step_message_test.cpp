#include "engine/step_message.h"

#include <gtest/gtest.h>

#include "core/error.h"

namespace lockstep {
namespace {

StepMessage Example() {
  StepMessage message;
  message.vocab_limit = 50277;
  message.batch.ids = {5, 6, 7};
  message.batch.sequences = {{.first_row = 0, .token_count = 2, .start = 14, .page_table = {3, 9}},
                             {.first_row = 2, .token_count = 1, .start = 0, .page_table = {1}}};
  message.batch.logit_rows = {1, 2};
  message.rows = {{.target = 8, .likeliest = 40}, {.whole_row = true}};
  return message;
}

TEST(StepMessage, SurvivesTheWay) {
  const StepMessage back = ParseStepMessage(Flatten(Example()));
  EXPECT_FALSE(back.shutdown);
  EXPECT_EQ(back.vocab_limit, 50277);
  EXPECT_EQ(back.batch.ids, (std::vector<std::int32_t>{5, 6, 7}));
  ASSERT_EQ(back.batch.sequences.size(), 2u);
  EXPECT_EQ(back.batch.sequences[0].start, 14);
  EXPECT_EQ(back.batch.sequences[0].page_table, (std::vector<std::int32_t>{3, 9}));
  EXPECT_EQ(back.batch.sequences[1].first_row, 2);
  EXPECT_EQ(back.batch.logit_rows, (std::vector<std::int64_t>{1, 2}));
  ASSERT_EQ(back.rows.size(), 2u);
  EXPECT_EQ(back.rows[0].target, 8);
  EXPECT_EQ(back.rows[0].likeliest, 40);
  EXPECT_FALSE(back.rows[0].whole_row);
  EXPECT_TRUE(back.rows[1].whole_row);
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
