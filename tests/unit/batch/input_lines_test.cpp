#include "batch/files/input_lines.h"

#include <gmock/gmock.h>

#include "tests/support/message_of.h"
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

// Three lines that do not fit in a block together.
std::string LongLines() {
  std::string text;
  for (const char letter : {'a', 'b', 'c'})
    text += std::string(kInputBlockBytes * 2 / 3, letter) + "\n";
  return text;
}

TEST(InputLines, GivesLinesOverTheEndsOfBlocks) {
  const TemporaryFolder folder;
  WriteText(folder / "in", LongLines());
  const InputSummary counted = SummarizeInput(folder / "in");
  EXPECT_EQ(counted.block_hashes.size(), 3u);
  InputLines lines(folder / "in", &counted);
  std::string again;
  while (const auto line = lines.Next()) again += line->text + "\n";
  EXPECT_EQ(again, LongLines());
  EXPECT_TRUE(lines.read().SameContent(counted));
}

TEST(InputLines, GivesNoLineOfABlockThatIsNotWhatWasCounted) {
  const TemporaryFolder folder;
  const std::string path = folder / "in", text = LongLines();
  for (const std::string& changed :
       {text.substr(0, text.size() - 1), text.substr(0, kInputBlockBytes), text + "d\n",
        text.substr(0, text.size() - 3) + "d" + text.substr(text.size() - 2)}) {
    WriteText(path, text);
    const InputSummary counted = SummarizeInput(path);
    InputLines lines(path, &counted);
    EXPECT_EQ(lines.Next()->text, std::string(kInputBlockBytes * 2 / 3, 'a'));
    WriteText(path, changed);  // what has been read is right, and the rest is not
    EXPECT_THAT(MessageOf(
                    [&] {
                      while (const auto line = lines.Next()) EXPECT_NE(line->text, "d");
                    },
                    ExitCode::kEnvironment),
                testing::HasSubstr(fmt::format(
                    "{}: has changed while it was read: at the start it had 3 lines, {} "
                    "bytes",
                    path, text.size())));
  }
}

TEST(InputLines, AnInputThatIsAnotherInTheEndIsNoticed) {
  const TemporaryFolder folder;
  const std::string path = folder / "in";
  const auto write = [&](const std::string& text) {
    WriteText(folder / "new", text);
    std::filesystem::rename(folder / "new", path);
  };
  write("one\ntwo\n");
  const InputSummary counted = SummarizeInput(path);
  EXPECT_NO_THROW(CheckUnchanged(path, counted));
  write("one\ntwo\n");
  EXPECT_NO_THROW(CheckUnchanged(path, counted)) << "another file, and the same content";
  write("one\ntwp\n");
  EXPECT_THAT(MessageOf([&] { CheckUnchanged(path, counted); }, ExitCode::kEnvironment),
              testing::HasSubstr("and now it has as many, but others"));
  write("one\n");
  EXPECT_THAT(MessageOf([&] { CheckUnchanged(path, counted); }, ExitCode::kEnvironment),
              testing::HasSubstr("had 2 lines, 8 bytes, and now it has 1 lines, 4 bytes"));
  std::filesystem::remove(path);
  EXPECT_NO_THROW(CheckUnchanged(path, counted));
}

TEST(InputLines, PassesOverALineThatIsTooLong) {
  const TemporaryFolder folder;
  WriteText(folder / "in", "a\n" + std::string(kMostLineBytes, 'b') + "b\nc");
  InputLines lines(folder / "in");
  EXPECT_EQ(lines.Next()->text, "a");
  const auto line = lines.Next();
  EXPECT_FALSE(line->fits());
  EXPECT_EQ(line->text, "");
  EXPECT_EQ(TooLong(*line), (folder / "in").string() +
                                ":2: the line has 67108865 bytes; expected at most 67108864");
  EXPECT_EQ(lines.Next()->text, "c");
  EXPECT_EQ(SummarizeInput(folder / "in").lines, 3);
}

TEST(KeepInput, RefusesEndlessDevices) {
  EXPECT_EQ(MessageOf([] { KeepInput("/dev/zero"); }),
            "/dev/zero: is a device; expected a file or a pipe");
}

}  // namespace
}  // namespace lockstep
