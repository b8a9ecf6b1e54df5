#include "core/numbers/tensor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>
#include <vector>

namespace lockstep {
namespace {

using ::testing::HasSubstr;

TEST(Shape, KnowsItsExtentsAndElements) {
  const Shape shape{3, 4, 5};
  EXPECT_EQ(shape.rank(), 3);
  EXPECT_EQ(shape[1], 4);
  EXPECT_EQ(shape.elements(), 60);
  EXPECT_EQ(shape.ToString(), "[3, 4, 5]");
}

TEST(Shape, OfNoExtentsIsAScalar) {
  EXPECT_EQ(Shape{}.elements(), 1);
  EXPECT_EQ(Shape{}.ToString(), "[]");
}

TEST(Shape, WithAZeroExtentIsEmpty) { EXPECT_EQ((Shape{7, 0, 3}.elements()), 0); }

TEST(Shape, DiffersByRankAndByExtent) {
  EXPECT_EQ((Shape{2, 3}), (Shape{2, 3}));
  EXPECT_NE((Shape{2, 3}), (Shape{3, 2}));
  EXPECT_NE((Shape{2}), (Shape{2, 1}));
}

TEST(Shape, RefusesTooManyDimensions) {
  EXPECT_NO_THROW((Shape{1, 2, 3, 4}));
  EXPECT_THROW((Shape{1, 2, 3, 4, 5}), Error);
}

TEST(Shape, RefusesNegativeExtents) {
  try {
    Shape{2, -1};
    FAIL() << "accepted a negative extent";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::kBadInput);
    EXPECT_THAT(error.what(), HasSubstr("-1"));
  }
}

TEST(Shape, RefusesExtentsWhoseProductOverflows) {
  EXPECT_THROW((Shape{std::int64_t{1} << 40, std::int64_t{1} << 40}), Error);
  EXPECT_THROW((Shape{INT64_MAX, 2}), Error);
  // Its bytes would overflow, though its elements do not.
  EXPECT_THROW((Shape{std::int64_t{1} << 62}), Error);
}

TEST(TensorView, GivesTypedAccessOnlyToItsOwnDType) {
  std::vector<float> memory(6);
  const TensorView view(memory.data(), DType::kF32, {2, 3});
  EXPECT_EQ(view.data<float>(), memory.data());
  EXPECT_EQ(view.bytes(), 24u);
  EXPECT_THROW(view.data<BFloat16>(), Error);
  EXPECT_THROW(view.data<std::int32_t>(), Error);
}

TEST(TensorView, CutsRowsOfTheOutermostAxis) {
  std::vector<std::int32_t> memory(24);
  std::iota(memory.begin(), memory.end(), 0);
  const TensorView view(memory.data(), DType::kI32, {4, 3, 2});
  const TensorView rows = view.Rows(1, 2);
  EXPECT_EQ(rows.shape(), (Shape{2, 3, 2}));
  EXPECT_EQ(rows.data<std::int32_t>()[0], 6);
  EXPECT_EQ(view.Rows(4, 0).elements(), 0);
  EXPECT_EQ(view.Rows(0, 4).raw(), view.raw());
}

TEST(TensorView, CutsRowsInBytesOfItsDType) {
  std::vector<BFloat16> memory(8);
  const TensorView view(memory.data(), DType::kBF16, {4, 2});
  EXPECT_EQ(view.Rows(3, 1).data<BFloat16>(), memory.data() + 6);
}

TEST(TensorView, RefusesRowsOutsideTheTensor) {
  std::vector<float> memory(6);
  const TensorView view(memory.data(), DType::kF32, {3, 2});
  EXPECT_THROW(view.Rows(-1, 1), Error);
  EXPECT_THROW(view.Rows(0, -1), Error);
  EXPECT_THROW(view.Rows(2, 2), Error);
  EXPECT_THROW(view.Rows(4, 0), Error);
  EXPECT_THROW(TensorView(memory.data(), DType::kF32, {}).Rows(0, 1), Error);
}

TEST(Tensor, OnHostIsAlignedToACacheLine) {
  for (std::int64_t size : {0, 1, 17, 1000}) {
    const Tensor tensor = Tensor::OnHost(DType::kBF16, {size});
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(tensor.view().raw()) % 64, 0u);
    EXPECT_EQ(tensor.view().elements(), size);
    EXPECT_FALSE(tensor.empty());
  }
}

TEST(Tensor, TakesItsMemoryAlongWhenMoved) {
  Tensor tensor = Tensor::OnHost(DType::kF32, {4});
  void* memory = tensor.view().raw();
  tensor.view().data<float>()[3] = 7.0f;
  const Tensor moved = std::move(tensor);
  EXPECT_EQ(moved.view().raw(), memory);
  EXPECT_EQ(moved.view().data<float>()[3], 7.0f);
}

TEST(Tensor, IsEmptyByDefault) {
  EXPECT_TRUE(Tensor().empty());
  EXPECT_EQ(Tensor().view().raw(), nullptr);
}

TEST(Tensor, NamesItsSizeWhenThereIsNoMemory) {
  try {
    Tensor::OnHost(DType::kF32, {std::int64_t{1} << 50});  // 4 PiB: past any address space
    FAIL() << "got four pebibytes";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::kEnvironment);
    EXPECT_THAT(error.what(), HasSubstr("4503599627370496 bytes"));
  }
}

}  // namespace
}  // namespace lockstep
