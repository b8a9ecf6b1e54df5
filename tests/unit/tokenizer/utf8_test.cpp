#include "tokenizer/unicode/utf8.h"

#include <gtest/gtest.h>

namespace lockstep {
namespace {

using namespace std::string_literals;

TEST(Utf8, FindsTheFirstByteThatIsNoCharacter) {
  EXPECT_EQ(FindInvalidUtf8("h\xC3\xA9llo \xF0\x9F\x98\x80"), std::nullopt);
  EXPECT_EQ(FindInvalidUtf8("ab\x80"), 2u);
  EXPECT_EQ(FindInvalidUtf8("ab\xC3"), 2u);
  EXPECT_EQ(FindInvalidUtf8("\xC3\xA9\xE2\x82"), 2u);
}

TEST(Utf8, RefusesOverlongSurrogateAndTooLargeForms) {
  for (const char* bytes : {"\xC0\x80", "\xC1\xBF", "\xE0\x9F\xBF", "\xED\xA0\x80", "\xED\xBF\xBF",
                            "\xF0\x8F\xBF\xBF", "\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "\xFF"})
    EXPECT_EQ(FindInvalidUtf8(bytes), 0u) << bytes;
  for (const char* bytes : {"\xC2\x80", "\xE0\xA0\x80", "\xED\x9F\xBF", "\xEE\x80\x80",
                            "\xF0\x90\x80\x80", "\xF4\x8F\xBF\xBF"})
    EXPECT_EQ(FindInvalidUtf8(bytes), std::nullopt) << bytes;
}

TEST(Utf8, WritesWhatItReads) {
  for (const char32_t c : {U'\0', U'a', U'\x7F', U'\x80', U'\u07FF', U'\u0800', U'\uFFFF',
                           U'\U00010000', U'\U0010FFFF'}) {
    std::string text;
    AppendUtf8(c, text);
    EXPECT_EQ(FindInvalidUtf8(text), std::nullopt);
    EXPECT_EQ(DecodeUtf8(text, 0).code_point, c);
    EXPECT_EQ(DecodeUtf8(text, 0).length, text.size());
  }
}

TEST(Utf8, GivesOneReplacementForEachInvalidSequence) {
  std::string text;
  // A cut three-byte character, a lone continuation, a byte that starts nothing.
  EXPECT_EQ(AppendLossyUtf8("\xE2\x82"s + "a\x80\xFF", Utf8Tail::kReplace, text), 5u);
  EXPECT_EQ(text, "\uFFFDa\uFFFD\uFFFD");
}

TEST(Utf8, HoldsBackOnlyWhatMayStillBecomeACharacter) {
  std::string text;
  EXPECT_EQ(AppendLossyUtf8("a\xF0\x9F\x98", Utf8Tail::kHold, text), 1u);
  EXPECT_EQ(text, "a");
  text.clear();
  EXPECT_EQ(AppendLossyUtf8("a\xED\xA0", Utf8Tail::kHold, text), 3u);  // a surrogate never does
  EXPECT_EQ(text, "a\uFFFD\uFFFD");
}

}  // namespace
}  // namespace lockstep
