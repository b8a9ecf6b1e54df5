#include "evaluation/requests/windows.h"

#include <gmock/gmock.h>

#include <numeric>

#include "core/error.h"
#include "tests/support/byte_tokenizer.h"
#include "tests/support/message_of.h"
#include "tests/support/test_data.h"

namespace lockstep {
namespace {

using testing::ElementsAre;
using Ids = std::vector<std::int32_t>;

Ids Range(std::int32_t begin, std::int32_t end) {
  Ids ids(static_cast<std::size_t>(end - begin));
  std::iota(ids.begin(), ids.end(), begin);
  return ids;
}

// What get_rolling_token_windows() and make_disjoint_window() of lm-evaluation-harness give.
TEST(RollingWindows, AreThoseOfTheHarness) {
  EXPECT_THAT(RollingWindows(Range(1, 4), 0, 4), ElementsAre(Window{{0}, Range(1, 4)}));
  EXPECT_THAT(RollingWindows(Range(1, 5), 0, 4), ElementsAre(Window{{0}, Range(1, 5)}));
  EXPECT_THAT(RollingWindows(Range(1, 6), 0, 4),
              ElementsAre(Window{{0}, Range(1, 5)}, Window{Range(1, 5), {5}}));
  EXPECT_THAT(RollingWindows(Range(1, 11), 0, 4),
              ElementsAre(Window{{0}, Range(1, 5)}, Window{{4}, Range(5, 9)},
                          Window{Range(6, 9), Range(9, 11)}));
  EXPECT_THAT(RollingWindows({}, 0, 4), ElementsAre());
}

class CutPairTest : public testing::Test {
 protected:
  Ids Encode(const std::string& text) const { return tokenizer_.Encode(text); }
  std::vector<Window> Cut(const std::string& context, const std::string& continuation,
                          std::int64_t context_tokens = 256) const {
    return CutPair({context, continuation}, {tokenizer_, prefix_, context_tokens});
  }

  const std::filesystem::path folder_ = SourceFolder() / "models/shakespeare-neox";
  const Tokenizer tokenizer_ = Tokenizer::Load(folder_);
  const PrefixToken prefix_{tokenizer_, folder_};
};

TEST_F(CutPairTest, MovesTheContextsLastSpacesToTheContinuation) {
  const std::vector<Window> cut = Cut("To be,  ", "or not");
  ASSERT_EQ(cut.size(), 1u);
  EXPECT_EQ(cut[0].context, Encode("To be,"));
  EXPECT_EQ(tokenizer_.Decode(cut[0].continuation, SpecialTokens::kKeep), "  or not");
}

TEST_F(CutPairTest, PutsThePrefixInThePlaceOfAnEmptyContext) {
  const std::int32_t prefix = *tokenizer_.TokenId("<|endoftext|>");
  EXPECT_EQ(prefix_.id(), prefix);
  EXPECT_THAT(Cut("", " or not"), ElementsAre(Window{{prefix}, Encode(" or not")}));
  EXPECT_THAT(Cut(" \n", "or"), ElementsAre(Window{{prefix}, Encode(" \nor")}));
  EXPECT_THAT(Cut("", "<|endoftext|>or"), ElementsAre(Window{{prefix}, Encode("or")}));
}

// The model reads all tokens but the last.
TEST_F(CutPairTest, TakesTokensAwayAtTheBeginning) {
  const Ids context = Encode("To be, or not to be, that is the");
  const std::int64_t whole = std::ssize(context) + 1;
  const Ids question = Encode(" question");
  const auto context_that_fits = whole + std::ssize(question) - 2;
  const auto cut = [&](std::int64_t tokens) {
    return Cut("To be, or not to be, that is the", " question", tokens).at(0);
  };
  EXPECT_EQ(cut(context_that_fits), (Window{context, question}));
  EXPECT_EQ(cut(context_that_fits - 2), (Window{{context.begin() + 2, context.end()}, question}));
  EXPECT_EQ(cut(std::ssize(question)), (Window{{context.back()}, question}));
}

TEST_F(CutPairTest, CutsAContinuationThatIsTooLongIntoWindows) {
  const Ids context = Encode("To be,"), words = Encode(" or not to be, that is the question");
  const std::vector<Window> cut = Cut("To be,", " or not to be, that is the question", 4);
  ASSERT_GT(cut.size(), 1u);
  Ids joined;
  for (const Window& one : cut) {
    EXPECT_LE(one.context.size() + one.continuation.size(), 5u);
    joined.insert(joined.end(), one.continuation.begin(), one.continuation.end());
  }
  EXPECT_EQ(joined, words);
  EXPECT_EQ(cut[0].context, Ids{context.back()});
}

TEST_F(CutPairTest, RefusesAPairWithoutATokenToScore) {
  EXPECT_THAT(MessageOf([&] { Cut("", ""); }), testing::HasSubstr("no token to score"));
  EXPECT_THAT(MessageOf([&] { Cut("To be", ""); }), testing::HasSubstr("leaves none to score"));
}

TEST(PrefixToken, IsMissingWhereNothingNamesOne) {
  // The names of the tokens that it has are not looked for elsewhere.
  std::string json = ByteTokenizerJson(20);
  for (auto at = json.find("<|endoftext|>"); at != json.npos; at = json.find("<|endoftext|>", at))
    json.replace(at, 13, "<|end|>");
  const Tokenizer bytes = Tokenizer::FromJson(json, "tokenizer.json");
  EXPECT_THAT(MessageOf([&] { PrefixToken(bytes, "/nowhere/tokenizer.json").id(); }),
              testing::HasSubstr("names no token that begins or ends a text"));
}

}  // namespace
}  // namespace lockstep
