// The expected values are Python's.
#include "text/python_text.h"

#include <gtest/gtest.h>

namespace lockstep {
namespace {

TEST(PythonText, StripsWhatPythonTakesForWhiteSpace) {
  EXPECT_EQ(WithoutSpacesAtEnd("a b \u00a0\n\x1c"), "a b");
  EXPECT_EQ(WithoutSpacesAtBeginning(" \u2003\t\u0085é "), "é ");
  EXPECT_EQ(WithoutSpacesAround("\u3000a\u3000"), "a");
  EXPECT_EQ(WithoutSpacesAround(" \x1f "), "");
  EXPECT_EQ(WithoutSpacesAround("\u200b"), "\u200b");  // none of them
}

TEST(PythonText, CountsWhatASplitGives) {
  EXPECT_EQ(CountSplitWords(""), 1);
  EXPECT_EQ(CountSplitWords("one"), 1);
  EXPECT_EQ(CountSplitWords("one  two\n\u00a0three"), 3);
  EXPECT_EQ(CountSplitWords(" one "), 3);
}

TEST(PythonText, CountsCodePoints) {
  EXPECT_EQ(CountCharacters(""), 0);
  EXPECT_EQ(CountCharacters("aé🙂"), 3);
}

}  // namespace
}  // namespace lockstep
