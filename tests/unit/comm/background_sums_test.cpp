#include "comm/overlap/background_sums.h"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

#include "core/error.h"

namespace lockstep {
namespace {

// Adds one, and fails from the sum of this number on.
class OneMore final : public Reducer {
 public:
  explicit OneMore(int fails = 1 << 30) : fails_(fails) {}
  int rank() const override { return 0; }
  int size() const override { return 2; }
  void AllReduceSum(const TensorView& x, Stream) override {
    thread = std::this_thread::get_id();
    if (made++ >= fails_) throw EnvironmentError("the network is gone");
    for (std::int64_t i = 0; i < x.elements(); ++i) x.data<float>()[i] += 1.0F;
  }
  int made = 0;
  std::thread::id thread;

 private:
  int fails_;
};

TEST(BackgroundSums, AreMadeInTheirOrderByAnotherThread) {
  OneMore reducer;
  const Tensor x = Tensor::OnHost(DType::kF32, {4, 2});
  for (std::int64_t i = 0; i < 8; ++i) x.view().data<float>()[i] = 0.0F;
  BackgroundSums sums(reducer);
  for (std::int64_t row = 0; row < 4; ++row) sums.Begin(x.view().Rows(row, 1));
  EXPECT_EQ(sums.under_way(), 4u);
  for (std::int64_t row = 0; row < 4; ++row) {
    sums.Await();
    EXPECT_EQ(x.view().Rows(row, 1).data<float>()[1], 1.0F);
  }
  EXPECT_EQ(sums.under_way(), 0u);
  EXPECT_EQ(reducer.made, 4);
  EXPECT_NE(reducer.thread, std::this_thread::get_id());
  EXPECT_THROW(sums.Await(), Error);
}

TEST(BackgroundSums, ThatFailAreToldToWhoeverWaits) {
  OneMore reducer(1);
  const Tensor x = Tensor::OnHost(DType::kF32, {1, 1});
  x.view().data<float>()[0] = 0.0F;
  BackgroundSums sums(reducer);
  for (int i = 0; i < 3; ++i) sums.Begin(x.view());
  EXPECT_NO_THROW(sums.Await());
  EXPECT_THROW(sums.Await(), Error);
  EXPECT_THROW(sums.Await(), Error) << "nor is anything made behind it";
  EXPECT_EQ(reducer.made, 2);
}

TEST(BackgroundSums, AreWaitedForAtTheEnd) {
  OneMore reducer;
  const Tensor x = Tensor::OnHost(DType::kF32, {1, 1});
  x.view().data<float>()[0] = 0.0F;
  {
    BackgroundSums sums(reducer);
    sums.Begin(x.view());
    sums.Begin(x.view());
  }
  EXPECT_EQ(x.view().data<float>()[0], 2.0F);
}

}  // namespace
}  // namespace lockstep
