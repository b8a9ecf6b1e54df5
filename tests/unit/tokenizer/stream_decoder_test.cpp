#include "tokenizer/stream_decoder.h"

#include <gtest/gtest.h>

#include <random>

#include "tests/unit/tokenizer/tiny_tokenizer.h"
#include "tokenizer/unicode/utf8.h"

namespace lockstep {
namespace {

std::string PushAll(StreamDecoder& stream, const Ids& ids) {
  std::string text;
  for (const std::int32_t id : ids) text += stream.Push(id);
  return text;
}

TEST(StreamDecoder, HoldsBackHalfACharacter) {
  StreamDecoder stream(TinyWith({}));
  EXPECT_EQ(stream.Push('a'), "a");
  EXPECT_EQ(stream.Push(0xE4), "");
  EXPECT_EQ(stream.Push(0xB8), "");
  EXPECT_EQ(stream.Push(0xAD), "中");
  EXPECT_EQ(stream.Flush(), "");
}

TEST(StreamDecoder, ReplacesWhatCanNoLongerBecomeACharacter) {
  StreamDecoder stream(TinyWith({}));
  EXPECT_EQ(stream.Push(0xE4), "");
  EXPECT_EQ(stream.Push('a'), "\uFFFDa");
  EXPECT_EQ(stream.Push(0x80), "\uFFFD");
  EXPECT_EQ(stream.Push(0xF0), "");
  EXPECT_EQ(stream.Push(0x9F), "");
  EXPECT_EQ(stream.Flush(), "\uFFFD");
  EXPECT_EQ(stream.Flush(), "");
}

TEST(StreamDecoder, SkipsSpecialTokensWithoutBreakingCharacters) {
  const Tokenizer tokenizer = TinyWith({AddedTokenJson("<end>", {"special"})});
  StreamDecoder skip(tokenizer, SpecialTokens::kSkip);
  EXPECT_EQ(PushAll(skip, {0xC3, 259, 0xA9}), "é");
  StreamDecoder keep(tokenizer, SpecialTokens::kKeep);
  EXPECT_EQ(PushAll(keep, {0xC3, 259, 0xA9}), "\uFFFD<end>\uFFFD");
}

TEST(StreamDecoder, GivesNothingForIdsPastTheVocabulary) {
  StreamDecoder stream(TinyWith({}));
  for (const std::int32_t id : {259, 50000, INT32_MAX, -1, INT32_MIN})
    EXPECT_EQ(stream.Push(id), "");
  EXPECT_EQ(stream.Flush(), "");
}

TEST(StreamDecoder, GivesTogetherWhatDecodeGivesAtOnce) {
  const Tokenizer tokenizer = TinyWith({AddedTokenJson("<end>", {"special"})});
  std::mt19937 random(3);
  const std::vector<std::int32_t> leads = {0xE4, 0xB8, 0xAD, 0xF0, 0x9F, 0x98, 0x80, 0xC3,
                                           0xA9, 0xED, 0xA0, 0xFF, 'a',  256,  259,  1000};
  for (int i = 0; i < 20000; ++i) {
    std::vector<std::int32_t> ids(random() % 12);
    for (std::int32_t& id : ids)
      id = random() % 4 == 0 ? static_cast<std::int32_t>(random() % 262)
                             : leads[random() % leads.size()];
    for (const SpecialTokens special : {SpecialTokens::kKeep, SpecialTokens::kSkip}) {
      StreamDecoder stream(tokenizer, special);
      std::string text;
      for (const std::int32_t id : ids) {
        const std::string part = stream.Push(id);
        ASSERT_EQ(FindInvalidUtf8(part), std::nullopt);
        text += part;
      }
      text += stream.Flush();
      ASSERT_EQ(text, tokenizer.Decode(ids, special));
    }
  }
}

}  // namespace
}  // namespace lockstep
