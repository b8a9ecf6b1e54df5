#include "launcher/commands/prompt_text.h"

#include <gmock/gmock.h>

#include "tests/support/message_of.h"
#include "tests/support/test_data.h"

namespace lockstep {
namespace {

using testing::HasSubstr;

TEST(WithoutEscapes, MakesCharactersOfThem) {
  EXPECT_EQ(WithoutEscapes("a\\nb\\tc", "--prompt"), "a\nb\tc");
  EXPECT_EQ(WithoutEscapes("\\\\n\\\"\\'\\r", "--prompt"), "\\n\"'\r");
  EXPECT_EQ(WithoutEscapes("\\x41\\u00e9\\u20ac", "--prompt"), "A\xc3\xa9\xe2\x82\xac");
  EXPECT_EQ(WithoutEscapes("a\\0b", "--prompt"), std::string("a\0b", 3));
  EXPECT_EQ(WithoutEscapes("plain", "--prompt"), "plain");
}

TEST(WithoutEscapes, RefusesWhatIsNone) {
  const auto message = [](const std::string& text) {
    return MessageOf([&] { WithoutEscapes(text, "--prompt"); });
  };
  EXPECT_THAT(message("ab\\q"),
              HasSubstr("--prompt: \"\\q\" at byte 2 is no escape; expected \\n"));
  EXPECT_THAT(message("\\"), HasSubstr("\"\\\" at byte 0 is no escape"));
  EXPECT_THAT(message("\\x4"), HasSubstr("\"\\x4\" at byte 0 is no escape"));
  EXPECT_THAT(message("\\x4g"), HasSubstr("is no escape"));
  EXPECT_THAT(message("\\u12"), HasSubstr("is no escape"));
  EXPECT_THAT(message("\\ud800"), HasSubstr("is no escape"));
}

TEST(PromptText, ReadsAFileWithoutItsLastLineEnd) {
  const TemporaryFolder folder;
  Arguments arguments;
  arguments.prompt_file = folder / "prompt.txt";
  WriteText(folder / "prompt.txt", "two\nlines\n");
  EXPECT_EQ(PromptText(arguments), "two\nlines");
  WriteText(folder / "prompt.txt", "a\\n\n\n");
  EXPECT_EQ(PromptText(arguments), "a\\n\n");
  arguments.escapes = PromptEscapes::kProcessed;
  EXPECT_EQ(PromptText(arguments), "a\n\n");
  WriteText(folder / "prompt.txt", "\r\n");
  EXPECT_THAT(MessageOf([&] { PromptText(arguments); }),
              HasSubstr("prompt.txt: is empty; expected at least one character"));
  arguments.prompt_file = folder / "none.txt";
  EXPECT_THAT(MessageOf([&] { PromptText(arguments); }), HasSubstr("none.txt: no such file"));
}

}  // namespace
}  // namespace lockstep
