#include "tokenizer/added_tokens.h"

#include <gtest/gtest.h>

#include "tests/unit/tokenizer/tiny_tokenizer.h"

namespace lockstep {
namespace {

TEST(AddedTokens, AreFoundLeftmostAndLongest) {
  const Tokenizer tokenizer =
      TinyWith({AddedTokenJson("<x"), AddedTokenJson("<x>"), AddedTokenJson("x>y")});
  EXPECT_EQ(tokenizer.Encode("<x>y"), (Ids{260, 'y'}));
  EXPECT_EQ(tokenizer.Encode("<xx>y"), (Ids{259, 261}));
  EXPECT_EQ(tokenizer.Encode("<"), (Ids{'<'}));
}

TEST(AddedTokens, StopWordsFromReachingAcrossThem) {
  const Tokenizer tokenizer = TinyWith({AddedTokenJson("||")});
  EXPECT_EQ(tokenizer.Encode("ab||c"), (Ids{256, 259, 'c'}));
  EXPECT_EQ(tokenizer.Encode("  ||a"), (Ids{' ', ' ', 259, 'a'}));
}

TEST(AddedTokens, OfOneWordDoNotMatchBesideWordCharacters) {
  const Tokenizer tokenizer = TinyWith({AddedTokenJson("xy", {"single_word"})});
  EXPECT_EQ(tokenizer.Encode("xy"), (Ids{259}));
  EXPECT_EQ(tokenizer.Encode("-xy-"), (Ids{'-', 259, '-'}));
  EXPECT_EQ(tokenizer.Encode("cxy"), (Ids{'c', 'x', 'y'}));
  EXPECT_EQ(tokenizer.Encode("xy_"), (Ids{'x', 'y', '_'}));
  EXPECT_EQ(tokenizer.Encode("\u00e9xy"), (Ids{0xC3, 0xA9, 'x', 'y'}));
}

TEST(AddedTokens, ADiscardedMatchIsNotTriedAgainShorter) {
  const Tokenizer tokenizer =
      TinyWith({AddedTokenJson("a-b", {"single_word"}), AddedTokenJson("a")});
  EXPECT_EQ(tokenizer.Encode("a-bc"), (Ids{'a', '-', 'b', 'c'}));
}

TEST(AddedTokens, TakeWhiteSpaceAlongWhereTheyStrip) {
  const Tokenizer left = TinyWith({AddedTokenJson("||", {"lstrip"})});
  EXPECT_EQ(left.Encode("a \t\u3000|| b"), (Ids{'a', 259, ' ', 'b'}));
  const Tokenizer right = TinyWith({AddedTokenJson("||", {"rstrip"})});
  EXPECT_EQ(right.Encode("a || \n b"), (Ids{'a', ' ', 259, 'b'}));
  const Tokenizer both = TinyWith({AddedTokenJson("||", {"lstrip", "rstrip"})});
  EXPECT_EQ(both.Encode(" || || "), (Ids{259, 259}));
}

TEST(AddedTokens, InWhiteSpaceTakenAlongStillCount) {
  const Tokenizer tokenizer = TinyWith({AddedTokenJson("||", {"rstrip"}), AddedTokenJson("\t\t")});
  EXPECT_EQ(tokenizer.Encode("|| \t\t b"), (Ids{259, 260, ' ', 'b'}));
}

TEST(AddedTokens, ThatAreNormalizedMatchTheNormalisedText) {
  Json json = TinyTokenizerJson();
  json["normalizer"] = {{"type", "NFC"}};
  json["added_tokens"] = {AddedTokenJson("e\u0301", {"normalized"}), AddedTokenJson("A\u030A")};
  const Tokenizer tokenizer = Load(json);
  EXPECT_EQ(tokenizer.Encode("\u00e9e\u0301"), (Ids{259, 259}));
  // Not normalised: found as it is written, before NFC, and only so.
  EXPECT_EQ(tokenizer.Encode("A\u030A"), (Ids{260}));
  EXPECT_EQ(tokenizer.Encode("\u00c5"), (Ids{0xC3, 0x85}));
}

TEST(AddedTokens, NotNormalizedGoBeforeNormalizedOnes) {
  const Tokenizer tokenizer =
      TinyWith({AddedTokenJson("<long>", {"normalized"}), AddedTokenJson("ong")});
  EXPECT_EQ(tokenizer.Encode("<long>"), (Ids{'<', 'l', 260, '>'}));
}

TEST(AddedTokens, GetTheIdOfTheVocabularyOrTheNextOne) {
  // The id that the file gives does not count, as for the reference.
  const Tokenizer tokenizer = TinyWith({AddedTokenJson("ab"), AddedTokenJson("new")});
  EXPECT_EQ(tokenizer.TokenId("ab"), 256);
  EXPECT_EQ(tokenizer.TokenId("new"), 259);
  EXPECT_EQ(tokenizer.vocab_size(), 260);
}

TEST(AddedTokens, ThatMatchTheSameTextAreRefused) {
  Json json = TinyTokenizerJson();
  json["normalizer"] = {{"type", "NFC"}};
  json["added_tokens"] = {AddedTokenJson("e\u0301", {"normalized"}),
                          AddedTokenJson("\u00e9", {"normalized"})};
  EXPECT_THROW(Load(json), Error);
}

TEST(AddedTokenMatcher, GivesPiecesThatCoverTheText) {
  AddedTokenMatcher matcher;
  EXPECT_TRUE(matcher.Add("ab", 7, {}));
  EXPECT_FALSE(matcher.Add("ab", 8, {}));
  const std::string text = "xxabyab";
  std::string joined;
  std::vector<std::int32_t> ids;
  for (const TextPiece& piece : matcher.Split(text)) {
    joined += piece.text;
    ids.push_back(piece.id);
  }
  EXPECT_EQ(joined, text);
  EXPECT_EQ(ids, (Ids{TextPiece::kPlainText, 7, TextPiece::kPlainText, 7}));
  EXPECT_TRUE(matcher.Split("").empty());
}

}  // namespace
}  // namespace lockstep
