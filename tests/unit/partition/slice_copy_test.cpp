#include "partition/checkpoint/slice_copy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cstring>
#include <vector>

#include "core/heartbeat.h"
#include "tests/support/test_data.h"

namespace lockstep {
namespace {

// A file of fp32 numbers 0, 1, 2, ... behind `offset` bytes.
class SliceCopy : public testing::Test {
 protected:
  MappedFile Numbers(std::size_t count, std::size_t offset) const {
    std::string bytes(offset, 'x');
    for (std::size_t i = 0; i < count; ++i) {
      const auto number = static_cast<float>(i);
      bytes.append(reinterpret_cast<const char*>(&number), sizeof(number));
    }
    WriteText(folder_ / "numbers", bytes);
    return MappedFile(folder_ / "numbers");
  }

 private:
  TemporaryFolder folder_;
};

void ExpectRectangle(const StoredMatrix& matrix, Range rows, Range columns) {
  std::vector<float> found(static_cast<std::size_t>(rows.size() * columns.size()), -1.0f);
  CopyRectangle(matrix, rows, columns,
                TensorView(found.data(), DType::kF32, {rows.size(), columns.size()}));
  std::size_t i = 0;
  for (std::int64_t row = rows.begin; row < rows.end; ++row)
    for (std::int64_t column = columns.begin; column < columns.end; ++column, ++i)
      ASSERT_EQ(found[i],
                static_cast<float>(row * matrix.row_stride + column * matrix.column_stride))
          << "[" << row << ", " << column << "]";
}

TEST_F(SliceCopy, TakesLongRowsWhoseElementsLieApart) {
  const MappedFile file = Numbers(4 * 3 * 2600, 0);
  const StoredMatrix matrix{.file = &file, .offset = 0, .row_stride = 3 * 2600, .column_stride = 3};
  ExpectRectangle(matrix, {0, 4}, {0, 2600});
  ExpectRectangle(matrix, {1, 3}, {5, 1029});
  ExpectRectangle(matrix, {1, 3}, {5, 1030});
  ExpectRectangle(matrix, {1, 3}, {5, 2054});
}

TEST_F(SliceCopy, TakesLongRowsThatAreNotAligned) {
  const MappedFile file = Numbers(2 * 2600, 3);
  ExpectRectangle({.file = &file, .offset = 3, .row_stride = 2600}, {0, 2}, {1, 2600});
}

TEST_F(SliceCopy, TakesLongRowsOfATransposedMatrix) {
  const MappedFile file = Numbers(7 * 1500, 0);
  ExpectRectangle({.file = &file, .offset = 0, .row_stride = 1, .column_stride = 7}, {2, 6},
                  {0, 1500});
}

// Others wait meanwhile, and a disk may be slow: more than once in what is larger than a tile.
TEST_F(SliceCopy, ShowsThatItGoesOn) {
  const MappedFile file = Numbers(3000 * 1000, 0);
  int beats = 0;
  const HeartbeatScope scope(std::chrono::seconds(0), [&] { ++beats; });
  ExpectRectangle({.file = &file, .offset = 0, .row_stride = 1000}, {0, 3000}, {0, 1000});
  EXPECT_GE(beats, 2);
}

}  // namespace
}  // namespace lockstep
