#include "batch/files/input_format.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/message_of.h"
#include "tests/support/test_data.h"

namespace lockstep {
namespace {

using testing::HasSubstr;

class InputFormatTest : public testing::Test {
 protected:
  std::string Fault(const std::string& bytes) const {
    WriteText(folder_ / "in", bytes);
    return MessageOf([&] { RefuseOtherFormats(folder_ / "in"); });
  }
  const TemporaryFolder folder_;
};

TEST_F(InputFormatTest, RefusesWhatIsNoJsonLinesAsAWhole) {
  for (const auto& [bytes, name] : {std::pair("\x1f\x8b\x08 and so on", "is compressed by gzip"),
                                    {"\x28\xb5\x2f\xfd and so on", "is compressed by zstd"},
                                    {"\xfd"
                                     "7zXZ and so on",
                                     "is compressed by xz"},
                                    {"BZh9 and so on", "is compressed by bzip2"},
                                    {"PK\x03\x04 and so on", "is a zip archive"},
                                    {"PAR1 and so on", "is a Parquet file"},
                                    {"\xff\xfe{", "is in UTF-16"},
                                    {"[{\"prompt\": \"a\"},\n", "is one list of objects"},
                                    {"\xef\xbb\xbf[{\"prompt\": \"a\"}]", "is one list of objects"},
                                    {" [\n {\"prompt\": \"a\"}\n]\n", "is one list of objects"}})
    EXPECT_THAT(Fault(bytes), HasSubstr(name));
  EXPECT_THAT(Fault("\x1f\x8b\x08"),
              HasSubstr("expected JSON lines, an object on each: unpack it with gunzip"));
}

TEST_F(InputFormatTest, LeavesLinesToThoseWhoReadThem) {
  for (const char* text : {"", "\n", "{\"prompt\": \"a\"}\n", "\xef\xbb\xbf{\"prompt\": \"a\"}\n",
                           "[1, 2]\n", "[", "plain text\n", "B", "PK"}) {
    WriteText(folder_ / "in", text);
    EXPECT_NO_THROW(RefuseOtherFormats(folder_ / "in")) << text;
  }
}

}  // namespace
}  // namespace lockstep
