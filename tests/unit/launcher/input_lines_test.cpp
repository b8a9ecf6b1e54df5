#include "launcher/commands/input_lines.h"

#include "expect_error.h"
#include "tests/support/test_data.h"

namespace lockstep {
namespace {

TEST(InputLines, GivesLinesThatAreNotBlankWithTheirPlaces) {
  const TemporaryFolder folder;
  const std::string path = folder / "in.jsonl";
  WriteText(path, "a\n\n \t\r\nb\nlast");
  InputLines lines(path);
  for (const auto& [text, number] : {std::pair("a", 1), {"b", 4}, {"last", 5}}) {
    const auto line = lines.Next();
    ASSERT_TRUE(line);
    EXPECT_EQ(line->text, text);
    EXPECT_EQ(line->where, fmt::format("{}:{}", path, number));
  }
  EXPECT_FALSE(lines.Next());
  EXPECT_EQ(SummarizeInput(path).lines, 3);
  EXPECT_EQ(SummarizeInput(path).bytes, 13);
}

TEST(InputLines, ASummaryKnowsEveryByte) {
  const TemporaryFolder folder;
  WriteText(folder / "a", "one\ntwo\n");
  WriteText(folder / "b", "one\ntwp\n");
  EXPECT_NE(SummarizeInput(folder / "a").hash, SummarizeInput(folder / "b").hash);
}

TEST(InputLines, RefusesWhatIsNoFile) {
  const TemporaryFolder folder;
  EXPECT_THAT(MessageOf([&] { SummarizeInput(folder / "none"); }),
              testing::HasSubstr("none: no such file"));
  EXPECT_THAT(MessageOf([&] { SummarizeInput(folder.path()); }), testing::HasSubstr("is a folder"));
}

}  // namespace
}  // namespace lockstep
