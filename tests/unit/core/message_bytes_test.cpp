#include "core/message_bytes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace lockstep {
namespace {

using ::testing::HasSubstr;

std::vector<std::byte> Example() {
  MessageWriter writer;
  writer.Put(true);
  writer.PutList(std::vector<float>{1.5f, -2.0f});
  writer.PutText(std::string_view("a\0b", 3));
  writer.PutList(std::vector<std::int64_t>{});
  writer.Put(std::int64_t{-7});
  return writer.Take();
}

void ReadExample(std::span<const std::byte> bytes) {
  MessageReader reader(bytes);
  EXPECT_TRUE(reader.Get<bool>());
  EXPECT_EQ(reader.GetList<float>(), (std::vector<float>{1.5f, -2.0f}));
  EXPECT_EQ(reader.GetText(), std::string("a\0b", 3));
  EXPECT_TRUE(reader.GetList<std::int64_t>().empty());
  EXPECT_EQ(reader.Get<std::int64_t>(), -7);
  reader.End();
}

TEST(MessageBytes, AreReadAsTheyWereWritten) { ReadExample(Example()); }

TEST(MessageBytes, MayNotEndEarlyNorLate) {
  std::vector<std::byte> bytes = Example();
  for (std::size_t size = 0; size < bytes.size(); ++size)
    EXPECT_THROW(ReadExample(std::span(bytes).first(size)), Error) << size;
  bytes.emplace_back();
  EXPECT_THROW(ReadExample(bytes), Error);
}

TEST(MessageBytes, NeverMakeRoomForMoreThanThereIs) {
  MessageWriter writer;
  writer.PutCount(SIZE_MAX / 4);
  writer.Put(std::int64_t{1});
  const std::vector<std::byte> bytes = writer.Take();
  try {
    MessageReader(bytes).GetList<std::int64_t>();
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::kInternal);
    EXPECT_THAT(error.what(), HasSubstr("elements in 8 bytes"));
  }
}

}  // namespace
}  // namespace lockstep
