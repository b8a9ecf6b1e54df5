#include "tokenizer/unicode/unicode.h"

#include <gtest/gtest.h>

#include <string>

#include "tokenizer/unicode/nfc.h"
#include "tokenizer/unicode/utf8.h"

namespace lockstep {
namespace {

const UnicodeTables& Tables() { return UnicodeTables::Get(); }

TEST(UnicodeTables, ClassesAreThoseOfTheReference) {
  EXPECT_EQ(Tables().ClassOf(U'z'), CharClass::kLetter);
  EXPECT_EQ(Tables().ClassOf(U'中'), CharClass::kLetter);
  EXPECT_EQ(Tables().ClassOf(U'7'), CharClass::kNumber);
  EXPECT_EQ(Tables().ClassOf(U'½'), CharClass::kNumber);
  EXPECT_EQ(Tables().ClassOf(U'\u0300'), CharClass::kOther);
  EXPECT_EQ(Tables().ClassOf(U'\u2003'), CharClass::kSpace);
  EXPECT_EQ(Tables().ClassOf(U'\x85'), CharClass::kSpace);
}

TEST(UnicodeTables, KnowsLettersOfUnicode16) {
  EXPECT_EQ(Tables().ClassOf(U'\U0001E4D0'), CharClass::kLetter);  // 15.0
  EXPECT_EQ(Tables().ClassOf(U'\U000105C0'), CharClass::kLetter);  // 16.0
  EXPECT_EQ(Tables().ClassOf(U'\u1C89'), CharClass::kLetter);      // 16.0
}

TEST(UnicodeTables, WhiteSpaceIsExactlyTheProperty) {
  std::size_t spaces = 0;
  for (char32_t c = 0; c < 0x110000; ++c) spaces += Tables().ClassOf(c) == CharClass::kSpace;
  EXPECT_EQ(spaces, 25u);
  // What some regular-expression engines take for white space.
  for (const char32_t c : {U'\u180E', U'\u200B', U'\uFEFF', U'\x1C', U'\x1F'})
    EXPECT_EQ(Tables().ClassOf(c), CharClass::kOther) << static_cast<std::uint32_t>(c);
}

TEST(UnicodeTables, WordCharactersAreLettersMarksDigitsAndJoiners) {
  for (const char32_t c : {U'a', U'_', U'5', U'\u0301', U'\u200D', U'\u0661'})
    EXPECT_TRUE(Tables().IsWordCharacter(c)) << static_cast<std::uint32_t>(c);
  for (const char32_t c : {U'-', U' ', U'½', U'<'})
    EXPECT_FALSE(Tables().IsWordCharacter(c)) << static_cast<std::uint32_t>(c);
}

TEST(Nfc, ComposesAndReordersMarks) {
  EXPECT_EQ(NormalizeNfc("e\u0301"), "é");
  EXPECT_EQ(NormalizeNfc("a\u0301\u0323"), "ạ\u0301");  // the lower mark goes first and composes
  EXPECT_EQ(NormalizeNfc("a\u0315\u0300"), "à\u0315");
  EXPECT_EQ(NormalizeNfc("\u0301e"), "\u0301e");  // nothing to join with
  EXPECT_EQ(NormalizeNfc("o\u0302\u0301"), "ố");
  EXPECT_EQ(NormalizeNfc("a\u0300\u0300"), "à\u0300");  // a second one of its class is blocked
}

TEST(Nfc, ReplacesSingletonsAndExcludedComposites) {
  EXPECT_EQ(NormalizeNfc("\u212B\u2126"), "ÅΩ");
  EXPECT_EQ(NormalizeNfc("\u0958"), "\u0915\u093C");
  EXPECT_EQ(NormalizeNfc("\uF900"), "\u8C48");
}

// U+11A7 stands where the tails begin, but is none.
TEST(UnicodeTables, ComposesHangulWithTailsOnly) {
  EXPECT_EQ(Tables().Compose(0xAC00, 0x11A7), 0u);
  EXPECT_EQ(Tables().Compose(0xAC00, 0x11A8), 0xAC01u);
  EXPECT_EQ(Tables().Compose(0xAC00, 0x11C2), 0xAC1Bu);
  EXPECT_EQ(Tables().Compose(0xAC00, 0x11C3), 0u);
  EXPECT_EQ(Tables().Compose(0xAC01, 0x11A8), 0u) << "has a tail already";
}

TEST(Nfc, ComposesHangulByArithmetic) {
  EXPECT_EQ(NormalizeNfc("\u1100\u1161"), "가");
  EXPECT_EQ(NormalizeNfc("\u1100\u1161\u11A8"), "각");
  EXPECT_EQ(NormalizeNfc("가\u11A8"), "각");
  EXPECT_EQ(NormalizeNfc("각\u11A8"), "각\u11A8");
  EXPECT_EQ(NormalizeNfc("가\u11A7"), "가\u11A7");  // one before the first final consonant
}

TEST(Nfc, HasTheOlderUnicodeVersionOfTheReference) {
  EXPECT_EQ(NormalizeNfc("\U00011935\U00011930"), "\U00011935\U00011930");  // composes since 13.0
}

TEST(Nfc, LeavesNormalisedTextAlone) {
  for (const std::string text : {"", "plain ASCII\n", "Führer 中文 각 \U0001F600", "x\u0334\u0301"})
    EXPECT_EQ(NormalizeNfc(text), text);
}

TEST(Nfc, OfEveryCharacterIsItsOwnNfc) {
  for (char32_t c = 0; c < 0x110000; ++c) {
    if (c >= 0xD800 && c <= 0xDFFF) continue;
    std::string text;
    AppendUtf8(c, text);
    const std::string once = NormalizeNfc(text);
    ASSERT_EQ(NormalizeNfc(once), once) << static_cast<std::uint32_t>(c);
    ASSERT_EQ(once == text, Tables().IsNfcStable(c)) << static_cast<std::uint32_t>(c);
  }
}

}  // namespace
}  // namespace lockstep
