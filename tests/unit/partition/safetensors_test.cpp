#include "partition/checkpoint/formats/safetensors.h"

#include <fmt/ranges.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/checkpoint_writer.h"
#include "tests/support/message_of.h"
#include "tests/support/test_data.h"

namespace lockstep {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

std::vector<StoredTensor> Parse(const std::string& file) {
  return ParseSafetensors(std::as_bytes(std::span(file)), "model.safetensors");
}

// What a user is told about a file of this header and so many bytes of data.
std::string MessageFor(const std::string& header, std::size_t data_bytes) {
  return MessageOf([&] { Parse(SafetensorsBytes(header, std::string(data_bytes, 'x'))); });
}

// A header of these entries.
std::string Header(std::initializer_list<std::string> entries) {
  return fmt::format("{{{}}}", fmt::join(entries, ","));
}

// An entry of the header.
std::string Entry(const std::string& name, const std::string& dtype, const std::string& shape,
                  const std::string& offsets) {
  return fmt::format(R"("{}":{{"dtype":"{}","shape":{},"data_offsets":{}}})", name, dtype, shape,
                     offsets);
}

TEST(Safetensors, FindsEachTensorInTheFile) {
  const std::string header =
      Header({Entry("b", "F16", "[2]", "[24,28]"), Entry("a", "F32", "[2,3]", "[0,24]")}) + "   ";
  const auto tensors = Parse(SafetensorsBytes(header, std::string(28, 'x')));
  ASSERT_EQ(tensors.size(), 2u);
  EXPECT_EQ(tensors[0].name, "a");
  EXPECT_EQ(tensors[0].dtype, DType::kF32);
  EXPECT_THAT(tensors[0].shape, ElementsAre(2, 3));
  EXPECT_THAT(tensors[0].strides, ElementsAre(3, 1));
  EXPECT_EQ(tensors[0].offset, 8 + header.size());
  EXPECT_EQ(tensors[1].dtype, DType::kF16);
  EXPECT_EQ(tensors[1].offset, 8 + header.size() + 24);
}

TEST(Safetensors, AcceptsScalarsEmptyTensorsAndMetadata) {
  const std::string header =
      Header({R"("__metadata__":{"format":"pt"})", Entry("scalar", "BF16", "[]", "[0,2]"),
              Entry("empty", "F32", "[0,9000000000000000000]", "[0,0]"),
              Entry("last", "F32", "[3,0]", "[2,2]")});
  EXPECT_EQ(Parse(SafetensorsBytes(header, "xx")).size(), 3u);
}

TEST(Safetensors, AcceptsAFileWithoutTensors) {
  EXPECT_TRUE(Parse(SafetensorsBytes("{}", "")).empty());
}

TEST(Safetensors, ListsTypesAndRanksThatAreNeverRead) {
  const std::string header = Header(
      {Entry("mask", "BOOL", "[1,1,1,1,4]", "[0,4]"), Entry("ids", "I64", "[1]", "[4,12]"),
       Entry("phases", "C64", "[2]", "[12,28]"), Entry("quantised", "F4", "[6]", "[28,31]")});
  const auto tensors = Parse(SafetensorsBytes(header, std::string(31, 'x')));
  ASSERT_EQ(tensors.size(), 4u);
  for (const StoredTensor& tensor : tensors) EXPECT_FALSE(tensor.dtype) << tensor.name;
  EXPECT_EQ(tensors[0].shape.size(), 5u);
}

TEST(Safetensors, RefusesAFileWithoutAWholeHeaderLength) {
  EXPECT_THAT(MessageOf([] { Parse("1234567"); }),
              AllOf(HasSubstr("model.safetensors"), HasSubstr("has 7 bytes"),
                    HasSubstr("download the file again")));
}

TEST(Safetensors, RefusesATruncatedHeader) {
  const std::string file = SafetensorsBytes(Header({Entry("a", "F32", "[1]", "[0,4]")}), "");
  EXPECT_THAT(MessageOf([&] { Parse(file.substr(0, 30)); }),
              AllOf(HasSubstr("claims a header of 54 bytes, but only 22 follow"),
                    HasSubstr("truncated"), HasSubstr("download the file again")));
}

// As long as the file and its own eight bytes, for example.
TEST(Safetensors, RefusesAHeaderThatEndsJustBehindTheFile) {
  const std::string header = Header({Entry("a", "F32", "[1]", "[0,4]")});
  std::string file = SafetensorsBytes(header, "");
  for (int excess = 1; excess <= 9; ++excess) {
    file[0] = static_cast<char>(header.size() + static_cast<std::size_t>(excess));
    EXPECT_THAT(
        MessageOf([&] { Parse(file); }),
        HasSubstr(fmt::format("claims a header of {} bytes, but only {} follow",
                              header.size() + static_cast<std::size_t>(excess), header.size())));
  }
  file[0] = static_cast<char>(header.size());
  EXPECT_THAT(MessageOf([&] { Parse(file); }), HasSubstr("4 bytes of data, but the file holds 0"));
}

TEST(Safetensors, RefusesAnOversizedHeader) {
  const std::string length("\x01\xe1\xf5\x05\x00\x00\x00\x00", 8);  // 100,000,001
  EXPECT_THAT(MessageOf([&] { Parse(length + "{}"); }),
              AllOf(HasSubstr("claims a header of 100000001 bytes"), HasSubstr("at most 100000000"),
                    HasSubstr("no safetensors file")));
  EXPECT_THAT(MessageOf([] { Parse(std::string(8, '\xff') + "{}"); }),
              HasSubstr("18446744073709551615 bytes"));
}

TEST(Safetensors, RefusesAHeaderThatIsNoJsonObject) {
  EXPECT_THAT(MessageFor(" {}", 0), HasSubstr("does not start with '{'"));
  EXPECT_THAT(MessageFor("[]", 0), HasSubstr("does not start with '{'"));
  EXPECT_THAT(MessageFor("", 0), HasSubstr("does not start with '{'"));
  EXPECT_THAT(MessageFor("{\"a\":", 0), HasSubstr("not valid JSON"));
  EXPECT_THAT(MessageFor(std::string("{}\0", 3), 0), HasSubstr("not valid JSON"));
}

TEST(Safetensors, RefusesOverlappingTensors) {
  const std::string header =
      Header({Entry("a", "F32", "[2]", "[0,8]"), Entry("b", "F32", "[2]", "[4,12]")});
  EXPECT_THAT(MessageFor(header, 12),
              AllOf(HasSubstr("tensor \"b\" begins at byte 4"), HasSubstr("overlapping"),
                    HasSubstr("at byte 8"), HasSubstr("download the file again")));
}

TEST(Safetensors, RefusesHoles) {
  const std::string header =
      Header({Entry("a", "F32", "[1]", "[0,4]"), Entry("b", "F32", "[1]", "[8,12]")});
  EXPECT_THAT(MessageFor(header, 12), HasSubstr("leaving a hole after"));
  EXPECT_THAT(MessageFor(Header({Entry("a", "U8", "[1]", "[1,2]")}), 2), HasSubstr("hole"));
}

TEST(Safetensors, RefusesDataThatDoesNotEndWithTheFile) {
  const std::string header = Header({Entry("a", "F32", "[2]", "[0,8]")});
  EXPECT_THAT(MessageFor(header, 7),
              HasSubstr("describes 8 bytes of data, but the file holds 7: it is truncated"));
  EXPECT_THAT(MessageFor(header, 9), HasSubstr("followed by foreign bytes"));
}

TEST(Safetensors, RefusesASizeThatIsNotTheShapes) {
  EXPECT_THAT(MessageFor(Header({Entry("a", "F32", "[2,2]", "[0,12]")}), 12),
              AllOf(HasSubstr("\"a\" of type F32 and shape [2, 2] has 12 bytes"),
                    HasSubstr("expected 16")));
}

TEST(Safetensors, RefusesShapesWhoseSizeOverflows) {
  EXPECT_THAT(MessageFor(Header({Entry("a", "F32", "[4294967296,4294967296]", "[0,0]")}), 0),
              HasSubstr("more elements than can be counted"));
  EXPECT_THAT(MessageFor(Header({Entry("a", "F32", "[2305843009213693952]", "[0,0]")}), 0),
              HasSubstr("more elements than can be counted"));
  EXPECT_THAT(MessageFor(Header({Entry("a", "F4", "[3]", "[0,1]")}), 1), HasSubstr("broken byte"));
}

TEST(Safetensors, RefusesNumbersThatAreNoSizes) {
  for (const char* shape : {"[-1]", "[1.0]", "[\"1\"]", "[null]", "3", "[18446744073709551615]"})
    EXPECT_THAT(MessageFor(Header({Entry("a", "F32", shape, "[0,4]")}), 4),
                AllOf(HasSubstr("tensor \"a\" has the shape"), HasSubstr("whole numbers")))
        << shape;
  for (const char* offsets : {"[4,0]", "[0]", "[0,4,8]", "[]"})
    EXPECT_THAT(MessageFor(Header({Entry("a", "F32", "[1]", offsets)}), 4),
                HasSubstr("expected [begin, end]"))
        << offsets;
}

TEST(Safetensors, RefusesATypeThatTheFormatDoesNotKnow) {
  EXPECT_THAT(MessageFor(Header({Entry("a", "F31", "[1]", "[0,4]")}), 4),
              AllOf(HasSubstr("tensor \"a\" has the dtype"), HasSubstr("F31")));
}

TEST(Safetensors, RefusesIncompleteEntries) {
  EXPECT_THAT(MessageFor("{\"a\":{\"shape\":[1],\"data_offsets\":[0,4]}}", 4),
              HasSubstr("\"a\" has no \"dtype\""));
  EXPECT_THAT(MessageFor("{\"a\":{\"dtype\":\"F32\",\"data_offsets\":[0,4]}}", 4),
              HasSubstr("has no \"shape\""));
  EXPECT_THAT(MessageFor("{\"a\":{\"dtype\":\"F32\",\"shape\":[1]}}", 4),
              HasSubstr("has no \"data_offsets\""));
  EXPECT_THAT(MessageFor("{\"a\":7}", 4), HasSubstr("expected an object"));
}

TEST(Safetensors, RefusesDuplicateNames) {
  const std::string entry = Entry("a", "F32", "[1]", "[0,4]");
  EXPECT_THAT(MessageFor(Header({entry, entry}), 4), HasSubstr("\"a\" stands twice"));
}

TEST(Safetensors, RefusesMetadataThatIsNoTextToText) {
  EXPECT_THAT(MessageFor("{\"__metadata__\":{\"format\":1}}", 0),
              AllOf(HasSubstr("__metadata__"), HasSubstr("object of strings")));
  EXPECT_THAT(MessageFor("{\"__metadata__\":[]}", 0), HasSubstr("object of strings"));
}

TEST(Safetensors, EscapesHostileNamesInMessages) {
  const std::string message =
      MessageFor(Header({Entry("\\u001b[2J" + std::string(500, 'n'), "F32", "[1]", "[0,8]")}), 8);
  EXPECT_THAT(message, HasSubstr("\\x1b[2J"));
  EXPECT_LT(message.size(), 500u);
}

TEST(Safetensors, TellsAGitLfsPointerFromADamagedFile) {
  EXPECT_THAT(
      MessageOf([] { Parse("version https://git-lfs.github.com/spec/v1\noid sha256:0\n"); }),
      AllOf(HasSubstr("Git LFS pointer"), HasSubstr("git lfs pull")));
}

TEST(Safetensors, NamesAFileThatIsMissing) {
  const TemporaryFolder folder;
  EXPECT_THAT(MessageOf([&] { OpenSafetensors(folder / "model.safetensors"); }),
              AllOf(HasSubstr("model.safetensors"), HasSubstr("no such file")));
}

}  // namespace
}  // namespace lockstep
