#include "text/continuation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/message_of.h"
#include "tests/support/test_data.h"

namespace lockstep {
namespace {

using testing::HasSubstr;

const Tokenizer& Shakespeare() {
  static const Tokenizer tokenizer = Tokenizer::Load(SourceFolder() / "models/shakespeare-neox");
  return tokenizer;
}

// Made with `transformers` and the steps of lm-evaluation-harness's _encode_pair().
TEST(EncodeContinuation, CutsWhereLmEvaluationHarnessDoes) {
  struct Case {
    std::string context, continuation;
    std::int64_t context_tokens;
    std::vector<std::int32_t> tokens;
  };
  for (const Case& one :
       std::vector<Case>{{"To be, or not", " to be", 5, {398, 306, 13, 531, 323, 289, 306}},
                         {"To be, or not ", "to be", 5, {398, 306, 13, 531, 323, 289, 306}},
                         {"KING:\n\n", "What say you?", 2, {447, 27, 200, 200, 469, 520, 291, 32}},
                         {"Speak\u00a0 \u3000",
                          "caf\u00e9",
                          3,
                          {52, 81, 585, 128, 256, 222, 161, 224, 224, 68, 66, 71, 129, 104}},
                         {"Hm\x1f", "so", 2, {41, 78, 221, 84, 80}},
                         {"a b\t", " c", 2, {66, 270, 199, 279}},
                         {"<|endoftext|>", "To be", 1, {0, 398, 306}},
                         {"\u00e9\u00e9", "\u00e9", 4, {129, 104, 129, 104, 129, 104}},
                         {" x ", "y", 2, {222, 89, 284}}}) {
    const auto found = EncodeContinuation(Shakespeare(), one.context, one.continuation);
    EXPECT_EQ(found.context_tokens, one.context_tokens) << one.context;
    EXPECT_EQ(found.tokens, one.tokens) << one.context;
  }
}

TEST(EncodeContinuation, RefusesWhatLeavesOneOfThemWithoutATokenOfItsOwn) {
  EXPECT_EQ(MessageOf([] { EncodeContinuation(Shakespeare(), "the wo", "rld"); }),
            "\"context\" and \"continuation\" have 2 tokens together, and \"context\" alone has 3, "
            "which leaves none to score; lengthen \"continuation\"");
  EXPECT_EQ(MessageOf([] { EncodeContinuation(Shakespeare(), "kin", "g"); }),
            "\"context\" and \"continuation\" have 2 tokens together, and \"context\" alone has 2, "
            "which leaves none to score; lengthen \"continuation\"");
  for (const char* context : {"", " \n\t", "\u3000"})
    EXPECT_THAT(MessageOf([&] { EncodeContinuation(Shakespeare(), context, "b"); }),
                HasSubstr("\"context\" is empty or white space"));
}

TEST(EncodeContinuation, RefusesBytesThatAreNoText) {
  EXPECT_THAT(MessageOf([] { EncodeContinuation(Shakespeare(), "a\xff", "b"); }),
              HasSubstr("UTF-8"));
  EXPECT_THAT(MessageOf([] { EncodeContinuation(Shakespeare(), "\x80\x80", "b"); }),
              HasSubstr("UTF-8"));
}

}  // namespace
}  // namespace lockstep
