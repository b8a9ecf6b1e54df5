#include "tokenizer/pre_tokenizer.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace lockstep {
namespace {

using Words = std::vector<std::string>;

Words Split(std::string_view text) {
  Words words;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = WordEnd(text, begin);
    words.emplace_back(text.substr(begin, end - begin));
    begin = end;
  }
  return words;
}

TEST(WordEnd, KeepsOneSpaceWithTheWordAfterIt) {
  EXPECT_EQ(Split("Hello my  friend"), (Words{"Hello", " my", " ", " friend"}));
  EXPECT_EQ(Split(" 42 !?"), (Words{" 42", " !?"}));
  EXPECT_EQ(Split("a\tb"), (Words{"a", "\t", "b"}));
  EXPECT_EQ(Split("a \tb"), (Words{"a", " ", "\t", "b"}));
}

TEST(WordEnd, SeparatesLettersNumbersAndTheRest) {
  EXPECT_EQ(Split("abc123!?x"), (Words{"abc", "123", "!?", "x"}));
  EXPECT_EQ(Split("e\u0301t"), (Words{"e", "\u0301", "t"}));
  EXPECT_EQ(Split("Ⅻ½中"), (Words{"Ⅻ½", "中"}));
}

TEST(WordEnd, CutsOffContractionsInLowerCaseOnly) {
  EXPECT_EQ(Split("I'll you've it's we're he'd I'm don't"),
            (Words{"I", "'ll", " you", "'ve", " it", "'s", " we", "'re", " he", "'d", " I", "'m",
                   " don", "'t"}));
  EXPECT_EQ(Split("IT'S"), (Words{"IT", "'", "S"}));
  EXPECT_EQ(Split("'street"), (Words{"'s", "treet"}));
  EXPECT_EQ(Split(" 's"), (Words{" '", "s"}));
  EXPECT_EQ(Split("'l'v'"), (Words{"'", "l", "'", "v", "'"}));
}

TEST(WordEnd, KeepsWhiteSpaceAtTheEndTogether) {
  EXPECT_EQ(Split("a  \n "), (Words{"a", "  \n "}));
  EXPECT_EQ(Split("a\u3000\u2003b"), (Words{"a", "\u3000", "\u2003", "b"}));
  EXPECT_EQ(Split("  "), (Words{"  "}));
  EXPECT_EQ(Split(" "), (Words{" "}));
}

TEST(WordEnd, TakesNoOtherSpaceForAPlainOne) {
  EXPECT_EQ(Split("\u00A0a"), (Words{"\u00A0", "a"}));
  EXPECT_EQ(Split("a\u180Eb"), (Words{"a", "\u180E", "b"}));  // no white space at all
}

}  // namespace
}  // namespace lockstep
