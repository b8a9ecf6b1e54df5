#include "partition/checkpoint/formats/zip.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/message_of.h"
#include "tests/support/torch_bin_writer.h"

namespace lockstep {
namespace {

using testing::AllOf;
using testing::HasSubstr;

std::vector<ZipEntry> Parse(const std::string& archive) {
  return ParseZip(std::as_bytes(std::span(archive)), "pytorch_model.bin");
}

std::string MessageFor(const std::string& archive) {
  return MessageOf([&] { Parse(archive); });
}

const std::vector<ZipFile> kTwoFiles = {{"a/data.pkl", "pickle"}, {"a/data/0", "0123456789"}};

// The archive with `value` written over `size` bytes at `offset`.
std::string Patched(std::string archive, std::size_t offset, std::uint64_t value, int size) {
  for (int i = 0; i < size; ++i)
    archive.at(offset + static_cast<std::size_t>(i)) = static_cast<char>(value >> (8 * i) & 0xff);
  return archive;
}

class ZipOfEitherStyle : public testing::TestWithParam<ZipStyle> {};

TEST_P(ZipOfEitherStyle, FindsEveryFile) {
  const std::string archive = ZipBytes(kTwoFiles, GetParam());
  const auto entries = Parse(archive);
  ASSERT_EQ(entries.size(), 2u);
  EXPECT_EQ(entries[0].name, "a/data.pkl");
  EXPECT_EQ(archive.substr(entries[0].offset, entries[0].size), "pickle");
  EXPECT_EQ(entries[1].name, "a/data/0");
  EXPECT_EQ(archive.substr(entries[1].offset, entries[1].size), "0123456789");
}

TEST_P(ZipOfEitherStyle, RefusesEveryTruncation) {
  const std::string archive = ZipBytes(kTwoFiles, GetParam());
  for (std::size_t size = 0; size < archive.size(); ++size)
    EXPECT_THAT(MessageFor(archive.substr(0, size)), HasSubstr("pytorch_model.bin")) << size;
}

TEST_P(ZipOfEitherStyle, StaysWithinTheArchiveWhateverOneByteSays) {
  const std::string archive = ZipBytes(kTwoFiles, GetParam());
  int refused = 0;
  for (std::size_t at = 0; at < archive.size(); ++at) {
    for (const int value : {0x00, 0x01, 0x7f, 0x80, 0xff}) {
      const std::string changed = Patched(archive, at, static_cast<std::uint64_t>(value), 1);
      try {
        for (const ZipEntry& entry : Parse(changed))
          ASSERT_TRUE(entry.offset <= changed.size() &&
                      entry.size <= changed.size() - entry.offset);
      } catch (const Error& error) {
        EXPECT_EQ(error.code(), ExitCode::kBadInput) << error.what();
        ++refused;
      }
    }
  }
  EXPECT_GT(refused, 100);
}

INSTANTIATE_TEST_SUITE_P(Zip, ZipOfEitherStyle, testing::Values(ZipStyle::kPlain, ZipStyle::kZip64),
                         [](const auto& test) {
                           return test.param == ZipStyle::kZip64 ? "Zip64" : "Plain";
                         });

TEST(Zip, AcceptsAComment) {
  std::string archive = ZipBytes(kTwoFiles);
  archive = Patched(archive, archive.size() - 2, 5, 2) + "hello";
  EXPECT_EQ(Parse(archive).size(), 2u);
}

TEST(Zip, RefusesBytesAfterTheComment) {
  EXPECT_THAT(MessageFor(ZipBytes(kTwoFiles) + "x"), HasSubstr("no zip directory at its end"));
}

TEST(Zip, RefusesCompressedFilesWithTheRemedy) {
  EXPECT_THAT(MessageFor(ZipBytes({{"a/data.pkl", "pickle", 8}})),
              AllOf(HasSubstr("\"a/data.pkl\" is compressed (zip method 8)"),
                    HasSubstr("torch.save"), HasSubstr("safetensors")));
}

TEST(Zip, RefusesAStoredFileOfTwoSizes) {
  const std::size_t directory = 30 + 1 + 4;
  for (const std::uint64_t compressed : {3u, 5u})
    EXPECT_THAT(MessageFor(Patched(ZipBytes({{"a", "0123"}}), directory + 20, compressed, 4)),
                HasSubstr("\"a\" is compressed"));
}

TEST(Zip, RefusesEncryptedFiles) {
  EXPECT_THAT(MessageFor(ZipBytes({{"a/data.pkl", "pickle", 0, 1}})),
              HasSubstr("\"a/data.pkl\" is encrypted"));
}

TEST(Zip, RefusesANameThatStandsTwice) {
  EXPECT_THAT(MessageFor(ZipBytes({{"a/data.pkl", "one"}, {"a/data.pkl", "two"}})),
              HasSubstr("holds \"a/data.pkl\" twice"));
}

TEST(Zip, RefusesADirectoryOutsideTheArchive) {
  const std::string archive = ZipBytes(kTwoFiles);
  EXPECT_THAT(MessageFor(Patched(archive, archive.size() - 6, 0x10000000, 4)),
              HasSubstr("the zip directory claims"));
  EXPECT_THAT(MessageFor(Patched(archive, archive.size() - 10, 0x10000000, 4)),
              HasSubstr("the zip directory claims"));
}

TEST(Zip, RefusesMoreEntriesThanTheDirectoryHolds) {
  const std::string archive = ZipBytes(kTwoFiles);
  EXPECT_THAT(MessageFor(Patched(archive, archive.size() - 14, 0x00030003, 4)),
              HasSubstr("the zip directory ends at its byte"));
}

TEST(Zip, RefusesAFileThatReachesIntoTheDirectory) {
  const std::string archive = ZipBytes({{"a", "0123"}});
  const std::size_t directory = 30 + 1 + 4;
  const std::string larger = Patched(Patched(archive, directory + 20, 5, 4), directory + 24, 5, 4);
  EXPECT_THAT(MessageFor(larger),
              AllOf(HasSubstr("\"a\" claims 5 bytes from byte 31"), HasSubstr("past the zip")));
}

TEST(Zip, RefusesAHeaderThatNamesAnotherFile) {
  EXPECT_THAT(MessageFor(Patched(ZipBytes({{"a", "0123"}}), 30, 'b', 1)),
              HasSubstr("disagree about \"a\""));
}

TEST(Zip, RefusesAnArchiveOverSeveralDisks) {
  const std::string archive = ZipBytes(kTwoFiles);
  EXPECT_THAT(MessageFor(Patched(archive, archive.size() - 18, 1, 2)),
              HasSubstr("over several disks"));
}

TEST(Zip, RefusesAZip64RecordThatIsElsewhere) {
  const std::string archive = ZipBytes(kTwoFiles, ZipStyle::kZip64);
  EXPECT_THAT(MessageFor(Patched(archive, archive.size() - 22 - 12, ~std::uint64_t{0}, 8)),
              HasSubstr("the zip64 directory's end is said to lie at byte 18446744073709551615"));
  EXPECT_THAT(MessageFor(Patched(archive, archive.size() - 22 - 20, 0, 4)),
              HasSubstr("the zip64 directory's end is missing"));
}

}  // namespace
}  // namespace lockstep
