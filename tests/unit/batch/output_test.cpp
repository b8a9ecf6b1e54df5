#include "batch/output.h"

#include <gtest/gtest.h>

#include "tests/support/test_data.h"

namespace lockstep {
namespace {

TEST(Output, AppearsWholeOrNotAtAll) {
  const TemporaryFolder folder;
  const auto path = folder / "out.jsonl";
  {
    Output output(path);
    output.Write("lost\n");
  }
  EXPECT_FALSE(std::filesystem::exists(path));
  Output output(path);
  output.Write("kept\n");
  EXPECT_FALSE(std::filesystem::exists(path));
  output.Commit();
  EXPECT_EQ(ReadFile(path), "kept\n");
}

TEST(Output, WritesToDevicesWithoutReplacingThem) {
  Output output("/dev/null");
  output.Write("x");
  output.Commit();
  EXPECT_TRUE(std::filesystem::is_character_file("/dev/null"));
}

TEST(OrderedOutput, KeepsTheOrderOfTheRequests) {
  const TemporaryFolder folder;
  Output output(folder / "out");
  OrderedOutput ordered(output);
  ordered.Put(2, "c");
  ordered.Put(0, "a");
  ordered.Put(3, "d");
  ordered.Put(1, "b");
  output.Commit();
  EXPECT_EQ(ReadFile(folder / "out"), "abcd");
}

}  // namespace
}  // namespace lockstep
